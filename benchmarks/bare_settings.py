"""The product's settings with `benchmarks.bare` in the place of tenancy and wall."""

from config import env
from config.settings import *  # noqa: F403
from config.settings import MIDDLEWARE as _MIDDLEWARE

_REPLACED = {
    "tenants.middleware.HostMiddleware": "benchmarks.bare.host_middleware",
    "tenants.api.ApiMiddleware": None,
    "tenants.middleware.GrantMiddleware": None,
    "tenants.middleware.SecondFactorMiddleware": None,
    "brands.wall.middleware.ScopeMiddleware": "benchmarks.bare.wall_middleware",
}
MIDDLEWARE = [
    "benchmarks.bare.constant_middleware",
    *(replaced for name in _MIDDLEWARE if (replaced := _REPLACED.get(name, name)) is not None),
]
# The owner's connection, asked as web processes ask theirs: the peer's plans are kept, too.
DATABASES = {
    "default": {
        **env.database("OWNER_DATABASE_URL", server_side_binding=True, prepare_threshold=5),
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
}
