"""Sort users by time

Revision: 52f1549dc6ac
Revises: e2fe9dd5f5e7
"""

from alembic import op

revision: str = "52f1549dc6ac"
down_revision: str | None = "e2fe9dd5f5e7"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_users_created_at_id", table_name="users", if_exists=True, postgresql_concurrently=True)
        op.create_index("ix_users_created_at_id", "users", ["created_at", "id"], postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index("ix_users_created_at_id", table_name="users")
