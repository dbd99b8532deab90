"""Modules with tables of their own, apart from the application's, for tests of what is done with every module."""
