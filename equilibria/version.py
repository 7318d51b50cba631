"""The version of this package, as the distribution declares it."""

VERSION = "0.1.0"
