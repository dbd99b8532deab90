"""A column of a new module, in the words that its files need."""

from dataclasses import dataclass

from app.scaffold.names import camel


@dataclass(frozen=True, slots=True)
class Relation:
    """The rows of another module that a column refers to."""

    module: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the new table, in the words that its files need; what stands for code is code.

    `annotation` is its type in the model, `schema` that of what clients send, `definition` what the latter is declared
    as where it is the module's own. `arguments` are those of the model's `Field`. `together` names the field of which
    several columns are a part.
    """

    name: str
    annotation: str
    schema: str
    sample: str
    definition: str | None = None
    arguments: tuple[str, ...] = ()
    operators: str | None = None
    members: tuple[str, ...] = ()
    relation: Relation | None = None
    default: str | None = None
    optional: bool = False
    unique: bool = False
    indexed: bool = False
    together: str | None = None
    prose: bool = False

    @property
    def required(self) -> bool:
        return not self.optional and self.default is None

    @property
    def sortable(self) -> bool:
        """Whether an index orders it; that of a unique column leaves rows without a value in no order."""
        return self.indexed or (self.unique and not self.optional)

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def error(self) -> str:
        """What the names of its errors begin with."""
        return camel(self.name.removesuffix("_id") if self.relation else self.name)

    @property
    def code(self) -> str:
        """What the codes of its errors begin with."""
        return self.name.removesuffix("_id") if self.relation else self.name

    @property
    def model_field(self) -> str:
        """What stands behind the type in the model, equals sign and all; nothing where there is nothing to say."""
        default = "None" if self.optional else self.default
        more = [*self.arguments, *(["unique=True"] if self.unique else [])]
        if self.relation is not None:
            # Nobody loses rows because somebody deleted another; a reference that is optional is given up.
            ondelete = "SET NULL" if self.optional else "RESTRICT"
            more = [f'foreign_key="{self.relation.table}.id"', f'ondelete="{ondelete}"', "index=True"]
        if more:
            return f" = Field({', '.join([*([f'default={default}'] if default else []), *more])})"
        return f" = {default}" if default else ""
