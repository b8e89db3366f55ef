"""Settings. Read from top to bottom; every deviation comes from the environment (``.env.example`` lists them all).

Files that the environment may come from, in this order, none of which overrides what is set already: the file that
``SEGUE_ENV_FILE`` names (default ``.env``), and ``var/keys.env`` and ``var/up.env``, which ``manage.py up`` writes, so that
the command line reaches what it started.
"""

from __future__ import annotations

import ipaddress
import json
import warnings
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from kombu import Queue  # type: ignore[attr-defined]

BASE_DIR = Path(__file__).resolve().parent.parent

SWITCHES = dict.fromkeys(("1", "true", "on", "yes", "y", "t", "ok"), True) | dict.fromkeys(
    ("", "0", "false", "off", "no", "n", "f"), False
)

env = environ.Env()
own_file = env.str("SEGUE_ENV_FILE", default="")
if own_file and not Path(own_file).exists():
    raise ImproperlyConfigured(f"SEGUE_ENV_FILE names {own_file!r}, and there is no such file.")
env_files = (
    Path(own_file or BASE_DIR / ".env"),
    BASE_DIR / "var" / "keys.env",
    BASE_DIR / "var" / "up.env",
)
for env_file in env_files:
    for key in ("SECRET_KEY", "SEGUE_ENCRYPTION_KEYS"):
        if not env.ENVIRON.get(key):
            env.ENVIRON.pop(key, None)  # A copy of .env.example names it empty; the next file may have it.
    if env_file.is_file():
        env.read_env(env_file)


def switch(name: str, default: bool) -> bool:
    """Return whether something is on, as the environment says.

    :raises ImproperlyConfigured: if it says neither: a word that is mistyped must not switch anything off.
    """
    text = env.str(name, default="").strip().lower()
    if text not in SWITCHES:
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be on or off (also: true, false, yes, no, 1, 0).")
    return default if text == "" else SWITCHES[text]


def positive(name: str, default: int) -> int:
    """Return a whole number above zero from the environment.

    :raises ImproperlyConfigured: if it is anything else.
    """
    text = env.str(name, default=str(default))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be a whole number above zero.")
    return int(text)


def whole(name: str, default: int) -> int:
    """Return a whole number from the environment, of which zero means that there is no limit.

    :raises ImproperlyConfigured: if it is anything else.
    """
    text = env.str(name, default=str(default))
    if not text.isascii() or not text.isdigit():
        raise ImproperlyConfigured(f"{name} is {text!r}; it must be a whole number, or 0 for no limit.")
    return int(text)


def json_object(name: str) -> dict[str, Any]:
    """Return a JSON object from the environment; an empty one, if there is none.

    :raises ImproperlyConfigured: if it is anything else.
    """
    text = env.str(name, default="") or "{}"
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        # Not the text itself: it may hold keys of a storage.
        raise ImproperlyConfigured(f"{name} must be a JSON object.")
    return value


def required(name: str) -> str:
    """Return what the environment must give.

    :raises ImproperlyConfigured: if it is missing or empty.
    """
    text = env.str(name, default="")
    if not text:
        raise ImproperlyConfigured(f"{name} is not set. See .env.example; `make up` makes one for trying out.")
    return text


# --- Django -----------------------------------------------------------------------------------------------------------

SECRET_KEY = required("SECRET_KEY")
DEBUG = switch("DEBUG", False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Behind a proxy that ends TLS and sets X-Forwarded-Proto and -For itself.
BEHIND_PROXY = switch("BEHIND_PROXY", False)
# Served over TLS: secure cookies, redirects to https, HSTS.
SECURE = switch("SECURE", False)

INSTALLED_APPS = [
    # Its pages are found where the URLs are (config/urls.py): workers and beat have no use for them.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "projects",
    "workflows",
    "executions",
    "triggers",
    "templates_app",
    "config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.AskForLength",
    "config.middleware.SayUnavailable",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# The path of the folder is no URL: it may hold anything.
EMBEDDED_DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(BASE_DIR / "var" / "segue.sqlite3")}
DATABASE_URL = env.str("DATABASE_URL", default="")
DATABASES: dict[str, Any] = {"default": env.db_url_config(DATABASE_URL) if DATABASE_URL else EMBEDDED_DATABASE}
DATABASE = DATABASES["default"]
DATABASE["CONN_MAX_AGE"] = None
DATABASE["CONN_HEALTH_CHECKS"] = True
if DATABASE["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: a transaction that will write takes its place in the queue at once instead of failing half-way.
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASE.setdefault("OPTIONS", {})
    DATABASE["OPTIONS"].setdefault("connect_timeout", 5)
    DATABASE["OPTIONS"].setdefault("application_name", "segue")
    if switch("DATABASE_PREPARED_STATEMENTS", True):
        # Statements are planned once for each connection: a third of what PostgreSQL does for an execution is planning.
        DATABASE["OPTIONS"] |= {"server_side_binding": True, "prepare_threshold": 5}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/api/"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = ["config.formats"]

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Without collected files (trying out), WhiteNoise serves them from the packages.
WHITENOISE_USE_FINDERS = not STATIC_ROOT.is_dir()
warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)  # It says so; we know.
WHITENOISE_AUTOREFRESH = DEBUG

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = SECURE
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# JSON bodies of the API; webhooks have their own limit.
DATA_UPLOAD_MAX_MEMORY_SIZE = positive("API_MAX_BODY_BYTES", 2 * 1024 * 1024)

# --- REST API -----------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "projects.authentication.ApiTokenAuthentication",
        "projects.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["projects.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PAGINATION_CLASS": "projects.pagination.NewestFirstPagination",
    "DEFAULT_FILTER_BACKENDS": ["projects.filters.StrictFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "projects.problems.exception_handler",
    "PAGE_SIZE": 50,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Segue",
    "DESCRIPTION": "Workflow automation for teams who live in Python and PostgreSQL.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "projects.openapi.describe_errors",
    ],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "WorkflowStatusEnum": "workflows.models.WorkflowStatus",
        "ExecutionStatusEnum": "executions.models.ExecutionStatus",
        "TriggerTypeEnum": "workflows.models.TriggerType",
        "NodeTypeEnum": "workflows.models.NodeType",
        "RoleEnum": "projects.models.Role",
        "BlockedOnEnum": "executions.models.BlockedOn",
        "ExecutionQueueEnum": "executions.models.ExecutionQueue",
        "ApprovalStatusEnum": "executions.models.ApprovalStatus",
        "DeliveryVerdictEnum": "triggers.models.DeliveryVerdict",
        "MisfirePolicyEnum": "triggers.models.MISFIRE_POLICIES",
    },
}

# --- Celery: a bell, nothing more ---------------------------------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="") or "redis://127.0.0.1:6379/0"
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="") or REDIS_URL
CELERY_RESULT_BACKEND = None
# Celery would end the database session before and after every task; it is looked after in executions/processes.py.
CELERY_DB_REUSE_MAX = 1_000_000_000
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_STORE_EAGER_RESULT = False
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = False
# Nothing here asks workers over the broker, nor should whoever reaches it stop them; and on RabbitMQ the queue for that can
# have one owner, so that a second worker of the same machine would not start.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_MAX_TASKS_PER_CHILD = 5000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 400_000  # KiB
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"confirm_publish": True, "read_timeout": 1, "write_timeout": 1}
    if CELERY_BROKER_URL.startswith("amqp")
    else {"socket_timeout": 1, "socket_connect_timeout": 1, "visibility_timeout": 60}
)
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
# The broker's queue for the bells of each queue of executions (executions.models.ExecutionQueue).
BELL_QUEUES = {"default": "segue", "agents": "segue.agents"}
CELERY_TASK_DEFAULT_QUEUE = BELL_QUEUES["default"]
# All of them, in every process: which of them a worker hears is decided by WORKER_QUEUES (config/celery.py). Where the broker
# can bound a queue by itself (RabbitMQ), it does; bells expire in any case.
CELERY_TASK_QUEUES = [
    Queue(name, routing_key=name, queue_arguments={"x-max-length": 64, "x-message-ttl": 10_000})
    for name in BELL_QUEUES.values()
]

# --- Segue ----------------------------------------------------------------------------------------------------------------

# Keys that wrap each project's data key: "id:base64 of 32 bytes", the first encrypts, all decrypt.
SEGUE_ENCRYPTION_KEYS = env.list("SEGUE_ENCRYPTION_KEYS", default=[])
# Where callers reach the webhooks and the API from outside; used in the URLs that Segue tells.
WEBHOOK_BASE_URL = env.str("WEBHOOK_BASE_URL", default="http://127.0.0.1:8000").rstrip("/")

WORKFLOW_EXECUTION_TIMEOUT = positive("WORKFLOW_EXECUTION_TIMEOUT", 3600)  # seconds
WORKFLOW_NODE_TIMEOUT = positive("WORKFLOW_NODE_TIMEOUT", 300)  # seconds
WORKFLOW_MAX_RETRIES = positive("WORKFLOW_MAX_RETRIES", 3)  # attempts of a node
WORKFLOW_MAX_DEPTH = positive("WORKFLOW_MAX_DEPTH", 5)  # executions above a sub-workflow
WORKFLOW_MAX_DESCENDANTS = positive("WORKFLOW_MAX_DESCENDANTS", 1000)  # executions below one that has no parent
EXECUTION_RETENTION_DAYS = positive("EXECUTION_RETENTION_DAYS", 30)
MODEL_CALL_RETENTION_DAYS = positive("MODEL_CALL_RETENTION_DAYS", 400)
if MODEL_CALL_RETENTION_DAYS < 32:  # A month's budget is counted from them, in whichever time zone.
    raise ImproperlyConfigured(f"MODEL_CALL_RETENTION_DAYS is {MODEL_CALL_RETENTION_DAYS}; it must be 32 at least.")
NODE_OUTPUT_MAX_BYTES = positive("NODE_OUTPUT_MAX_BYTES", 20 * 1024 * 1024)
NODE_OUTPUT_INLINE_MAX_BYTES = positive("NODE_OUTPUT_INLINE_MAX_BYTES", 256 * 1024)  # beyond it, outputs are files
EXECUTION_OUTPUT_MAX_BYTES = positive("EXECUTION_OUTPUT_MAX_BYTES", 100 * 1024 * 1024)
EXECUTION_MAX_NODE_RUNS = positive("EXECUTION_MAX_NODE_RUNS", 100_000)

# What a worker serves: executions with agents need a library of 150 MB, which the others need not load.
WORKER_QUEUES = [name.strip() for name in env.list("WORKER_QUEUES", default=[])] or list(BELL_QUEUES)
if unknown_queues := [name for name in WORKER_QUEUES if name not in BELL_QUEUES]:
    raise ImproperlyConfigured(
        f"WORKER_QUEUES names {unknown_queues[0]!r}; there are {' and '.join(BELL_QUEUES)}. Write them as default,agents."
    )

ENGINE_LEASE_SECONDS = positive("ENGINE_LEASE_SECONDS", 10)
ENGINE_SLICE_SECONDS = positive("ENGINE_SLICE_SECONDS", 2)
ENGINE_CLAIM_BATCH = positive("ENGINE_CLAIM_BATCH", 16)  # executions that one worker process holds at once
ENGINE_THREADS = positive("ENGINE_THREADS", 32)  # nodes with effects that one worker process runs at once
ENGINE_SWEEP_SECONDS = positive("ENGINE_SWEEP_SECONDS", 3)  # how often each worker sweeps by itself
ENGINE_GRACE_SECONDS = positive("ENGINE_GRACE_SECONDS", 10)  # for what is in flight when a worker is asked to end
# Executions of pure nodes alone are run by the web process that accepts them, in the same commit.
ENGINE_IN_PLACE = switch("ENGINE_IN_PLACE", True)
ENGINE_MAX_LOST_WORKERS = positive("ENGINE_MAX_LOST_WORKERS", 3)

# "process": a child with hard limits. "in_process": for installations that trust the authors of all workflows.
EXPRESSION_SANDBOX = env.str("EXPRESSION_SANDBOX", default="process")
if EXPRESSION_SANDBOX not in {"process", "in_process"}:
    raise ImproperlyConfigured(f"EXPRESSION_SANDBOX is {EXPRESSION_SANDBOX!r}; it must be process or in_process.")

# Ranges that nodes may call although they are private, loopback or the like: "10.1.0.0/16,127.0.0.1/32".
SEGUE_ALLOWED_PRIVATE_NETWORKS = env.list("SEGUE_ALLOWED_PRIVATE_NETWORKS", default=[])
for allowed_range in SEGUE_ALLOWED_PRIVATE_NETWORKS:
    try:
        ipaddress.ip_network(allowed_range)
    except ValueError as error:
        raise ImproperlyConfigured(f"SEGUE_ALLOWED_PRIVATE_NETWORKS: {error}. Write ranges as 10.1.0.0/16.") from error

# Where the storage tools keep files: a folder, or another storage of Django's with its options.
STORAGE_MAX_FILE_BYTES = positive("STORAGE_MAX_FILE_BYTES", 10 * 1024 * 1024)
MEDIA_ROOT = STORAGE_ROOT = env.str("STORAGE_ROOT", default="") or str(BASE_DIR / "var" / "storage")
STORAGES = {
    "default": {
        "BACKEND": env.str("STORAGE_BACKEND", default="django.core.files.storage.FileSystemStorage"),
        "OPTIONS": json_object("STORAGE_OPTIONS"),
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# The mail server that email.send hands messages to; none: it says that there is none.
EMAIL_HOST = env.str("EMAIL_HOST", default="")
EMAIL_PORT = positive("EMAIL_PORT", 587)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_SSL = switch("EMAIL_USE_SSL", False)
EMAIL_USE_TLS = switch("EMAIL_USE_TLS", True) and not EMAIL_USE_SSL
EMAIL_TIMEOUT = 10  # seconds that the server may take for one answer
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="") or "segue@localhost"
EMAIL_MAX_RECIPIENTS = positive("EMAIL_MAX_RECIPIENTS", 50)  # of one message
EMAIL_MAX_BYTES = positive("EMAIL_MAX_BYTES", 10 * 1024 * 1024)  # of one message, as it is sent

# Servers of the Model Context Protocol that workflows may have started on a worker's machine, by name:
# {"files": {"command": ["/usr/bin/mcp-files", "--read-only"], "env": {"HOME": "/srv/files"}, "projects": ["…"]}}
MCP_STDIO_SERVERS = json_object("MCP_STDIO_SERVERS")
for mcp_name, mcp_server in MCP_STDIO_SERVERS.items():
    if not (
        isinstance(mcp_server, dict)
        and mcp_server.keys() <= {"command", "env", "projects"}
        and isinstance(command := mcp_server.get("command"), list)
        and command
        and all(isinstance(each, str) for each in [*command, *mcp_server.get("projects", [])])
        and isinstance(mcp_server.get("env", {}), dict)
        and all(isinstance(each, str) for each in mcp_server.get("env", {}).values())
    ):
        raise ImproperlyConfigured(
            f"MCP_STDIO_SERVERS: {mcp_name!r} must be an object with `command` (a list of texts), and perhaps `env` (an object "
            "of texts) and `projects` (a list of ids)."
        )

WEB_THREADS = positive("WEB_THREADS", 16)  # of a web process; config/gunicorn.py makes them
# Live events that a web process sends at once; each holds a thread.
WEB_LIVE_STREAMS = whole("WEB_LIVE_STREAMS", 0) or max(WEB_THREADS // 4, 1)
WEBHOOK_MAX_BODY_BYTES = positive("WEBHOOK_MAX_BODY_BYTES", 1024 * 1024)
if WEBHOOK_MAX_BODY_BYTES > 16 * 1024 * 1024:  # Each is held in memory, and kept in a row.
    raise ImproperlyConfigured(
        f"WEBHOOK_MAX_BODY_BYTES is {WEBHOOK_MAX_BODY_BYTES}; at most 16 MiB (16777216) are possible."
    )
WEBHOOK_RATE_PER_MINUTE = whole("WEBHOOK_RATE_PER_MINUTE", 0)
WEBHOOK_TEST_HOURS = positive("WEBHOOK_TEST_HOURS", 24)
WEBHOOK_RETENTION_DAYS = whole("WEBHOOK_RETENTION_DAYS", 0)  # 0: as long as executions

# What all executions of one project may take; 0 of any of them is no limit.
PROJECT_STARTS_PER_SECOND = whole("PROJECT_STARTS_PER_SECOND", 0)
PROJECT_STARTS_AT_ONCE = positive("PROJECT_STARTS_AT_ONCE", 200)
PROJECT_MAX_LIVE = whole("PROJECT_MAX_LIVE", 0)
PROJECT_MAX_RUNNING = whole("PROJECT_MAX_RUNNING", 0)

# What agents remember from one execution to the next.
CONVERSATION_RETENTION_DAYS = positive("CONVERSATION_RETENTION_DAYS", 90)  # after the last message
CONVERSATION_MAX_MESSAGES = positive("CONVERSATION_MAX_MESSAGES", 1000)  # of one conversation; then the oldest go
CONVERSATION_MESSAGE_MAX_BYTES = positive("CONVERSATION_MESSAGE_MAX_BYTES", 64 * 1024)
CONVERSATION_RECALL_MAX_BYTES = positive("CONVERSATION_RECALL_MAX_BYTES", 256 * 1024)  # of what an agent is told
CONVERSATIONS_PER_PROJECT = positive("CONVERSATIONS_PER_PROJECT", 100_000)  # then those longest unused go

# How long PostgreSQL may work on one statement; 0: no limit. Commands of manage.py have none.
WEB_STATEMENT_SECONDS = whole("WEB_STATEMENT_SECONDS", 5)
WORKER_STATEMENT_SECONDS = whole("WORKER_STATEMENT_SECONDS", 30)
SWEEP_STATEMENT_SECONDS = whole("SWEEP_STATEMENT_SECONDS", 10)

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "projects.log_format.MaskingFormatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        "celery.app.trace": {"level": "WARNING"},  # A line per bell says nothing.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
