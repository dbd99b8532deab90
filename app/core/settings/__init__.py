"""What the application is told from outside: typed, frozen, read once by `load_settings`, and refused as a whole."""

from app.core.settings.areas import AppSettings, LogSettings
from app.core.settings.base import Area, Defaults, Environment, Objection, Words
from app.core.settings.faults import Fault, SettingsError
from app.core.settings.loading import Settings, load_settings
from app.core.settings.postgres import PostgresAddress, PostgresSettings
from app.core.settings.report import Row, defaults, describe
from app.core.settings.telemetry import OtelSettings

__all__ = [
    "AppSettings",
    "Area",
    "Defaults",
    "Environment",
    "Fault",
    "LogSettings",
    "Objection",
    "OtelSettings",
    "PostgresAddress",
    "PostgresSettings",
    "Row",
    "Settings",
    "SettingsError",
    "Words",
    "defaults",
    "describe",
    "load_settings",
]
