"""The application that moves: the quick start of fastapi-sessions, with a backend of its own.

The backend is all that changes on this side. It keeps the sessions in the table that sessile's
SqliteStore makes; everything else is as the documentation of fastapi-sessions has it. Start it
with `python-side`, which says what it needs.
"""

import os
import socket
import sqlite3
import sys
import time
from typing import Optional
from uuid import UUID, uuid4

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi_sessions.backends.session_backend import BackendError, SessionBackend
from fastapi_sessions.frontends.implementations import CookieParameters, SessionCookie
from fastapi_sessions.session_verifier import SessionVerifier
from pydantic import BaseModel

TWO_WEEKS = 14 * 24 * 3600


class SessionData(BaseModel):
    username: str
    visits: int = 0


class SharedBackend(SessionBackend[UUID, SessionData]):
    """Sessions in sessile's table. Times there are milliseconds since 1970."""

    def __init__(self, path: str) -> None:
        # Each statement is a transaction, and waits so many seconds for another writer.
        self.database = sqlite3.connect(path, timeout=5, isolation_level=None)
        self.database.execute("SELECT 1 FROM sessile_sessions LIMIT 1")

    async def create(self, session_id: UUID, data: SessionData) -> None:
        now, life = _now(), TWO_WEEKS * 1000
        try:
            self.database.execute(
                "INSERT INTO sessile_sessions (id, subject, renewed, created, authenticated,"
                " idle, absolute, last_seen, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (str(session_id), data.username, now, now, now, life, now + life, now, data.json()),
            )
        except sqlite3.IntegrityError:
            raise BackendError("create can't overwrite an existing session") from None

    async def read(self, session_id: UUID) -> Optional[SessionData]:
        row = self.database.execute(
            "SELECT data FROM sessile_sessions WHERE id = ? AND deadline > ?",
            (str(session_id), _now()),
        ).fetchone()
        return SessionData.parse_raw(row[0]) if row else None

    async def update(self, session_id: UUID, data: SessionData) -> None:
        # The version tells sessile that somebody wrote, so that it overwrites nothing unseen.
        # Never an INSERT: what was logged out stays logged out.
        written = self.database.execute(
            "UPDATE sessile_sessions SET data = ?, version = version + 1"
            " WHERE id = ? AND deadline > ?",
            (data.json(), str(session_id), _now()),
        )
        if written.rowcount == 0:
            raise BackendError("session does not exist, cannot update")

    async def delete(self, session_id: UUID) -> None:
        self.database.execute("DELETE FROM sessile_sessions WHERE id = ?", (str(session_id),))


def _now() -> int:
    return time.time_ns() // 1_000_000


def _setting(name: str) -> str:
    return os.environ.get(name) or sys.exit(f"{name} is not set: both sides need the same one")


cookie = SessionCookie(
    cookie_name="cookie",
    identifier="general_verifier",
    auto_error=True,
    secret_key=_setting("COOKIE_SECRET"),
    cookie_params=CookieParameters(max_age=TWO_WEEKS),
)
try:
    backend = SharedBackend(_setting("SESSION_STORE").split(":", 1)[-1])
except sqlite3.OperationalError as error:
    sys.exit(f"SESSION_STORE: {error}. Start the Rust side first: it makes the table")


class BasicVerifier(SessionVerifier[UUID, SessionData]):
    identifier = "general_verifier"
    backend = backend
    auto_error = True
    auth_http_exception = HTTPException(status_code=403, detail="invalid session")

    def verify_session(self, model: SessionData) -> bool:
        return True


verifier = BasicVerifier()
app = FastAPI()


@app.post("/create_session/{name}")
async def create_session(name: str, response: Response):
    session = uuid4()
    await backend.create(session, SessionData(username=name))
    cookie.attach_to_response(response, session)
    return f"created session for {name}"


@app.get("/whoami", dependencies=[Depends(cookie)])
async def whoami(session_data: SessionData = Depends(verifier)):
    return session_data


@app.post("/visit")
async def visit(session: UUID = Depends(cookie), data: SessionData = Depends(verifier)):
    data.visits += 1
    await backend.update(session, data)
    return data


@app.post("/delete_session")
async def delete_session(response: Response, session_id: UUID = Depends(cookie)):
    await backend.delete(session_id)
    cookie.delete_from_response(response)
    return "deleted session"


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8000"))))
    # Who connects from now on is answered as soon as uvicorn takes over.
    print("Listening on http://%s:%s (Python)" % listener.getsockname(), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
