<%
    # Without the comments that Alembic puts around what it generates.
    bodies = [
        "\n".join(line for line in (body or "pass").splitlines() if not line.strip().startswith("# ###"))
        for body in (upgrades, downgrades)
    ]
    names = "\n".join(bodies)
    title = message.replace("\\", "/").replace('"', "'")
%>\
"""${title}

Revision: ${up_revision}
Revises: ${down_revision or "nothing"}
"""

% if "sa." in names:
import sqlalchemy as sa
% endif
% if "op." in names:
from alembic import op
% endif
% if imports:
${imports}
% endif

revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}


def upgrade() -> None:
    ${bodies[0].strip()}


def downgrade() -> None:
    ${bodies[1].strip()}
