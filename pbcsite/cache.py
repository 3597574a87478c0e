"""The cache that processes share, for what rate limits count."""

from __future__ import annotations

import logging
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class SharedCache(RedisCache):
    """Redis; while it is away every process counts for itself.

    Uploads go on without the broker, so they must not fail for want of a counter. ``clear`` removes
    what lies under the prefix alone: the broker's queues are in the same database.
    """

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._own = LocMemCache("while-redis-is-away", {**params, "OPTIONS": {}})
        self._away = False

    def _either(self, method: str, *arguments: Any, **options: Any) -> Any:
        try:
            answer = getattr(super(), method)(*arguments, **options)
        except (RedisError, OSError) as error:
            if not self._away:
                logger.warning("Redis is away (%s): each process counts for itself.", error)
            self._away = True
            return getattr(self._own, method)(*arguments, **options)
        if self._away:
            logger.warning("Redis is back.")
            self._away = False
        return answer

    def add(self, *arguments: Any, **options: Any) -> Any:
        return self._either("add", *arguments, **options)

    def get(self, *arguments: Any, **options: Any) -> Any:
        return self._either("get", *arguments, **options)

    def set(self, *arguments: Any, **options: Any) -> Any:
        return self._either("set", *arguments, **options)

    def touch(self, *arguments: Any, **options: Any) -> Any:
        return self._either("touch", *arguments, **options)

    def delete(self, *arguments: Any, **options: Any) -> Any:
        return self._either("delete", *arguments, **options)

    def get_many(self, *arguments: Any, **options: Any) -> Any:
        return self._either("get_many", *arguments, **options)

    def has_key(self, *arguments: Any, **options: Any) -> Any:
        return self._either("has_key", *arguments, **options)

    def incr(self, *arguments: Any, **options: Any) -> Any:
        return self._either("incr", *arguments, **options)

    def set_many(self, *arguments: Any, **options: Any) -> Any:
        return self._either("set_many", *arguments, **options)

    def delete_many(self, *arguments: Any, **options: Any) -> Any:
        return self._either("delete_many", *arguments, **options)

    def clear(self) -> None:
        self._own.clear()
        try:
            client = self._cache.get_client(None, write=True)
            keys = list(client.scan_iter(match=f"{self.key_prefix}:*", count=1000))
            if keys:
                client.delete(*keys)
        except (RedisError, OSError) as error:
            logger.warning("Redis is away (%s): its counters stay.", error)
