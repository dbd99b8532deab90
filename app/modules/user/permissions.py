from app.core.security import Permission


class UserPermission(Permission):
    READ = "user:read"
    WRITE = "user:write"
