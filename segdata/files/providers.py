"""The clients of object storage, one a provider: calls that are repeated while they may yet succeed, errors with a way out.

fsspec makes one client a process and thread; nothing of it is pickled or forked.
"""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from segdata.errors import MissingDependency, OptionError, StorageError

TRIES = 5

PAUSE = 0.25
"""Seconds before the second try; twice as many before each one after it, and up to as many again by chance."""

PASSING = {errno.EBUSY, errno.EIO, getattr(errno, "EREMOTEIO", errno.EIO), errno.EPIPE, errno.ENOBUFS}
"""What an `OSError` says that another try may mend: 5xx and throttling, as clients translate them, and broken connections."""

PASSING_NAMES = {
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError", "HTTPClientError",
    "IncompleteReadError", "ResponseStreamingError", "ProxyConnectionError", "ClientConnectorError", "ClientOSError",
    "ServerDisconnectedError", "ClientPayloadError", "ServiceRequestError", "ServiceResponseError", "TransportError",
    "IncompleteRead", "ResponseParserError",
}  # fmt: skip
"""Errors of connections that are no `OSError`, by the names that botocore, aiohttp, Azure's and Google's clients give them."""

DENIED_NAMES = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError", "NoAuthTokenError",
    "SSOTokenLoadError", "UnauthorizedSSOTokenError", "ProfileNotFound", "DefaultCredentialsError", "RefreshError",
    "ClientAuthenticationError",
}  # fmt: skip

DENIED_CODES = {"AuthorizationHeaderMalformed", "InvalidToken", "InvalidSecurity", "TokenRefreshRequired"}

RIVAL = "ConditionalRequestConflict"
"""Amazon's word for two conditional writes at the same moment; either may be tried again."""

NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist", "container does not exist")


class Provider(NamedTuple):
    """A kind of storage: its client's package, segdata's extra with it, GDAL's name for it, what its client raises that is no
    `OSError`, and where it finds credentials."""

    package: str
    extra: str
    gdal: str | None
    errors: tuple[str, ...]
    credentials: str


AMAZON = (
    "botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError", "aiohttp:ClientError",
    "botocore.parsers:ResponseParserError", "http.client:IncompleteRead",
)  # fmt: skip

GOOGLE = ("gcsfs.retry:HttpError", "google.auth.exceptions:GoogleAuthError", "aiohttp:ClientError")

AZURE = ("azure.core.exceptions:AzureError", "aiohttp:ClientError")

PROVIDERS = {
    "s3": Provider("s3fs", "s3", "/vsis3/", AMAZON, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"),
    "gs": Provider("gcsfs", "gs", "/vsigs/", GOOGLE, "GOOGLE_APPLICATION_CREDENTIALS"),
    "az": Provider("adlfs", "az", "/vsiaz/", AZURE, "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME"),
    "memory": Provider("fsspec", "s3", None, (), "none"),  # of this process alone: for tests
}


def provider_of(url: str) -> Provider:
    """Whose storage a URL is in. Raises `OptionError` for schemes that segdata does not open."""
    scheme = url.partition("://")[0]
    if scheme not in PROVIDERS:
        raise OptionError(
            f"{url}: segdata opens s3://, gs://, az:// and file:// URLs, not {scheme}://: copy it to one of them"
        )
    return PROVIDERS[scheme]


def call(url: str, method: str, *args: Any, guard: Callable[[], None] | None = None, **kwargs: Any) -> Any:
    """What a client's method returns, called for `url`; while it fails for a reason that may pass, `TRIES` times.

    `guard` is called before each try, and may raise. Raises `FileNotFoundError` if there is no such object, `FileExistsError`
    if an object should be new or unchanged and is not, and `StorageError` for the rest: no such bucket, no access, storage that
    does not answer.
    """
    provider = provider_of(url)
    client = _client(url)
    known: tuple[type[Exception], ...] = (OSError, *_errors(provider))
    if hasattr(client, "retries"):
        client.retries = type(client).retries if guard is None else 1  # it would try again past the guard
    for attempt in range(1, TRIES + 1):
        if guard is not None:
            guard()
        try:
            return getattr(client, method)(*args, **kwargs)
        except known as error:
            if attempt == TRIES or not may_pass(error):
                raise _translated(error, url, provider, attempt) from error
            pause = PAUSE * 2 ** (attempt - 1)
            time.sleep(pause + random.uniform(0, pause))
    raise StorageError(f"{url}: was not tried")


def may_pass(error: BaseException) -> bool:
    """Whether another try may succeed: timeouts, connections that broke, 429 and 5xx."""
    if isinstance(error, FileNotFoundError | PermissionError | FileExistsError):
        return False
    for one in _causes(error):
        status = _status(one)
        if _code(one) == RIVAL:
            return True
        if status is not None:
            return status in (408, 429) or (status >= 500 and status != 501)
        if isinstance(one, TimeoutError | ConnectionError) or type(one).__name__ in PASSING_NAMES:
            return True
    return isinstance(error, OSError) and error.errno in PASSING


def gdal_settings() -> dict[str, str]:
    """What GDAL must be told to reach the same endpoint with the same credentials: it has names of its own for the former."""
    settings = {"GDAL_HTTP_MAX_RETRY": str(TRIES - 1), "GDAL_HTTP_RETRY_DELAY": str(2 * PAUSE)}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        parts = urlsplit(endpoint)
        settings["AWS_S3_ENDPOINT"] = parts.netloc + parts.path.rstrip("/")
        settings["AWS_HTTPS"] = "YES" if parts.scheme == "https" else "NO"
        settings["AWS_VIRTUAL_HOSTING"] = "FALSE"
    return settings


def _client(url: str) -> Any:
    """The process's client. Raises `MissingDependency`."""
    provider, scheme = provider_of(url), url.partition("://")[0]
    try:
        import_module(provider.package)
        from fsspec import filesystem  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingDependency(
            f"{url}: {scheme}:// URLs want {provider.package}: pip install 'segdata[{provider.extra}]'"
        ) from error
    options: dict[str, Any] = {} if scheme == "memory" else {"use_listings_cache": False}  # others write there too
    if scheme == "s3":
        options["config_kwargs"] = {"retries": {"total_max_attempts": 1}}  # it is tried again here
    if scheme == "s3" and os.environ.get("AWS_NO_SIGN_REQUEST", "").upper() in ("YES", "TRUE", "1"):
        options["anon"] = True  # the name that GDAL has for it
    return filesystem(scheme, **options)


@lru_cache
def _errors(provider: Provider) -> tuple[type[Exception], ...]:
    """The classes that a client raises, as far as they are installed."""
    found = []
    for name in provider.errors:
        module, _, kind = name.partition(":")
        try:
            found.append(getattr(import_module(module), kind))
        except ImportError:
            continue
    return tuple(found)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(5):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of a client carries; None if it has none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "status_code", None) or getattr(error, "code", None) or getattr(error, "status", None)
    return status if isinstance(status, int) and 100 <= status < 600 else None


def _code(error: BaseException) -> str:
    """Amazon's word for what is wrong, or the like of another."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _translated(error: Exception, url: str, provider: Provider, tries: int) -> Exception:
    """An error of a client as one of ours: one line that says what to do."""
    causes = list(_causes(error))
    codes, statuses = {_code(one) for one in causes}, {_status(one) for one in causes}
    reason = str(error) or type(error).__name__
    bucket = url.partition("://")[2].partition("/")[0]
    if any(sign in codes or sign in reason for sign in NO_BUCKET):
        return StorageError(f"{url}: there is no bucket {bucket!r}, or not at this endpoint: create it first")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "there is no such object", url)
    if isinstance(error, FileExistsError) or 412 in statuses:
        return FileExistsError(errno.EEXIST, "the object exists already, or has changed", url)
    names = {type(one).__name__ for one in causes}
    if isinstance(error, PermissionError) or statuses & {401, 403} or codes & DENIED_CODES or names & DENIED_NAMES:
        return StorageError(
            f"{url}: access was denied ({reason}): check the credentials ({provider.credentials}) and what they may do"
        )
    if may_pass(error):
        return StorageError(
            f"{url}: storage does not answer after {tries} tries ({reason}): run the same command again to go on"
        )
    return StorageError(f"{url}: {reason}")
