from app.core.errors import Conflict, NotFound


class UserNotFound(NotFound):
    code = "user.not_found"
    detail = "There is no user with this id."


class EmailTaken(Conflict):
    code = "user.email_taken"
    detail = "Another user has this e-mail address. Use a different one."
    constraint = "uq_users_email"


class UsernameTaken(Conflict):
    code = "user.username_taken"
    detail = "Another user has this username. Choose a different one."
    constraint = "uq_users_username"
