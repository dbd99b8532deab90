"""Traces of requests and of their statements, sent by OTLP; where they are off, nothing below is even imported."""
