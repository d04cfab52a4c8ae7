"""A Hub on loopback: the part of the Hub's HTTP protocol that huggingface_hub, transformers and datasets speak.

It keeps repositories in memory (commits, branches, tags, LFS objects by their hash) and can be told to misbehave, see
`Faults`. As on the Hub, LFS files are served by another origin (here `localhost` instead of `127.0.0.1`) after a
redirect, and the access token must not follow there.

Start it in a test through the fixture `hub_server`; give clients `hub_server.environment(home)`, since huggingface_hub
reads its endpoint when it is imported.
"""

import base64
import hashlib
import json
import os
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LFS_SUFFIXES = (".safetensors", ".parquet", ".bin", ".pt", ".png", ".npy", ".onnx")


@dataclass
class Faults:
    """What goes wrong. Uploads are counted over all LFS objects, files are named by their path in the repository."""

    refuse_upload: int | None = None  # this upload (from 0) and all later ones are read half and answered 403
    drop_upload: int | None = None  # this one upload is read half, then the connection is closed
    hang_upload: int | None = None  # this one upload is read half and then not answered until `release` is set
    corrupt: set[str] = field(default_factory=set)  # served with one byte changed
    truncate: set[str] = field(default_factory=set)  # half is served, then the connection is closed
    shorten: set[str] = field(default_factory=set)  # half is served as if that were all
    fail_commits: int = 0  # so many commits are answered 503
    hanging: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


@dataclass
class File:
    """One file of a commit; LFS files are known by the SHA-256 of their content."""

    content: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blob_id(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.blob_id

    def describe(self, path: str) -> dict:
        """The entry of this file in a tree listing."""
        entry = {"type": "file", "path": path, "size": len(self.content), "oid": self.blob_id}
        if self.lfs:
            entry["lfs"] = {"oid": self.sha256, "size": len(self.content), "pointerSize": 134}
        return entry


class Repository:
    """Commits as complete snapshots, and the branches and tags that point at them."""

    def __init__(self, kind: str, name: str, private: bool):
        self.kind, self.name, self.private = kind, name, private
        self.snapshots: dict[str, dict[str, File]] = {}
        self.history: list[tuple[str, str]] = []  # (sha, message), oldest first
        self.tags: dict[str, str] = {}
        self.variables: dict[str, str] = {}  # of a Space
        self.branches = {"main": self._add("initial commit", {})}

    def _add(self, message: str, files: dict[str, File]) -> str:
        sha = hashlib.sha1(f"{self.kind}/{self.name}/{len(self.snapshots)}/{message}".encode()).hexdigest()
        self.snapshots[sha] = files
        self.history.append((sha, message))
        return sha

    def resolve(self, revision: str) -> str | None:
        sha = self.branches.get(revision) or self.tags.get(revision) or revision
        return sha if sha in self.snapshots else None

    def files(self, revision: str = "main") -> dict[str, File]:
        return self.snapshots[self.resolve(revision)]

    def commit(self, branch: str, message: str, changes: list[dict], objects: dict[str, bytes]) -> str:
        files = dict(self.snapshots[self.branches[branch]])
        for change in changes:
            key, value = change["key"], change["value"]
            if key == "file":
                files[value["path"]] = File(base64.b64decode(value["content"]), lfs=False)
            elif key == "lfsFile":
                files[value["path"]] = File(objects[value["oid"]], lfs=True)
            elif key == "deletedFile":
                del files[value["path"]]
            elif key == "deletedFolder":
                files = {path: file for path, file in files.items() if not path.startswith(value["path"])}
        self.branches[branch] = self._add(message, files)
        return self.branches[branch]


class HubServer(ThreadingHTTPServer):
    """The server. `repositories` and `log` may be read by tests, `faults` and `revoked_tokens` written."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.faults = Faults()
        self.revoked_tokens: set[str] = set()
        self.uploads: list[str] = []  # LFS object ids in the order in which their upload began
        self.log: list[tuple[str, str, bool]] = []  # method, path, whether a token came along
        self.lock = threading.RLock()

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def repository(self, name: str, kind: str = "model") -> Repository:
        return self.repositories[kind, name]

    def environment(self, home: Path, token: str | None = "hf_loopback", **more: str) -> dict[str, str]:
        """Environment for a fresh process that takes this server for the Hub and keeps its caches in `home`."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        environment |= {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"}
        environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        # Transformers would otherwise ask a public service to convert repositories that hold pickles.
        environment |= {"DISABLE_SAFETENSORS_CONVERSION": "1"}
        return environment | ({"HF_TOKEN": token} if token else {}) | more

    def handle_error(self, request, client_address):
        """A client that was killed or refused to read on is no news to a test."""


class HubHandler(BaseHTTPRequestHandler):
    """Routes: a method and a pattern of the path to a function of the same idea."""

    protocol_version = "HTTP/1.1"
    server: HubServer

    REPO = r"(?P<kind>model|dataset|space)s/(?P<name>[^/]+(?:/[^/]+)?)"
    FILE = r"/(?:(?P<kind>dataset|space)s/)?(?P<name>[^/]+/[^/]+)"
    ROUTES = (
        ("GET", r"/api/whoami-v2", "whoami"),
        ("POST", r"/api/validate-yaml", "validate_yaml"),
        ("POST", r"/api/repos/create", "create_repository"),
        ("POST", rf"/api/{REPO}/preupload/(?P<revision>[^/]+)", "preupload"),
        ("POST", rf"/api/{REPO}/commit/(?P<revision>[^/]+)", "commit"),
        ("POST", rf"/api/{REPO}/tag/(?P<revision>[^/]+)", "create_tag"),
        ("DELETE", rf"/api/{REPO}/tag/(?P<revision>[^/]+)", "delete_tag"),
        ("POST", rf"/api/{REPO}/branch/(?P<revision>[^/]+)", "create_branch"),
        ("POST", rf"/api/{REPO}/paths-info/(?P<revision>[^/]+)", "paths_info"),
        ("POST", rf"/api/{REPO}/variables", "set_variable"),
        ("GET", rf"/api/{REPO}/refs", "refs"),
        ("GET", rf"/api/{REPO}/commits/(?P<revision>[^/]+)", "commits"),
        ("GET", rf"/api/{REPO}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?", "tree"),
        ("GET", rf"/api/{REPO}/revision/(?P<revision>[^/]+)", "information"),
        ("GET", r"/api/(?P<kind>model|dataset|space)s/(?P<name>[^/]+/[^/]+)", "information"),
        ("GET", rf"{FILE}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
        ("HEAD", rf"{FILE}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
        ("POST", rf"{FILE}\.git/info/lfs/objects/batch", "lfs_batch"),
        ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "lfs_upload"),
        ("GET", r"/cdn/(?P<oid>[0-9a-f]{64})/(?P<path>.+)", "cdn"),
    )
    WRITING = (
        *("create_repository", "preupload", "commit", "lfs_batch"),
        *("create_tag", "delete_tag", "create_branch", "set_variable"),
    )

    # --- plumbing ---------------------------------------------------------------------------------------------------

    def log_message(self, format, *args):
        """Silent; `HubServer.log` keeps the requests."""

    def _dispatch(self):
        address = urlsplit(self.path)
        self.query = parse_qs(address.query)
        authorization = self.headers.get("Authorization")
        self.token = authorization.removeprefix("Bearer ") if authorization else None
        self.server.log.append((self.command, address.path, authorization is not None))
        for method, pattern, action in self.ROUTES:
            match = re.fullmatch(pattern, address.path)
            if match and method == self.command:
                return self._answer(action, {key: unquote(value) for key, value in match.groupdict("").items()})
        self._body()
        return self._error(404, "this test server does not speak that part of the protocol")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _dispatch  # noqa: N815 - names given by http.server

    def _answer(self, action: str, fields: dict[str, str]):
        if self.token in self.server.revoked_tokens:
            self._body()
            return self._error(401, "Invalid credentials in Authorization header")
        if action in self.WRITING and self.token is None:
            self._body()
            return self._error(401, "Invalid username or password.")
        if "name" in fields:
            fields["kind"] = fields["kind"] or "model"
            repository = self.server.repositories.get((fields.pop("kind"), fields.pop("name")))
            if repository is None or (repository.private and self.token is None):
                self._body()
                # The Hub does not tell strangers whether a private repository exists.
                return self._error(404 if self.token else 401, "Repository not found", "RepoNotFound")
            if "revision" in fields and action not in ("create_branch", "delete_tag"):
                self.sha = repository.resolve(fields["revision"])
                if self.sha is None:
                    self._body()
                    return self._error(404, "Invalid rev id", "RevisionNotFound")
            fields["repository"] = repository
        return getattr(self, f"_{action}")(**fields)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self) -> dict:
        return json.loads(self._body() or b"{}")

    def _send(self, status: int, content: bytes = b"", **headers: str):
        self.send_response(status)
        headers = {"Content-Length": str(len(content)), **{k.replace("_", "-"): v for k, v in headers.items()}}
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _reply(self, data, status: int = 200):
        self._send(status, json.dumps(data).encode(), Content_Type="application/json")

    def _error(self, status: int, message: str, code: str | None = None, **headers: str):
        headers |= {"X_Error_Message": message} | ({"X_Error_Code": code} if code else {})
        self._send(status, json.dumps({"error": message}).encode(), Content_Type="application/json", **headers)

    # --- accounts and repositories ----------------------------------------------------------------------------------

    def _whoami(self):
        if self.token is None:
            return self._error(401, "Invalid username or password.")
        return self._reply({"type": "user", "name": "tester", "orgs": [], "auth": {"type": "access_token"}})

    def _validate_yaml(self):
        content = self._json()["content"]
        match = re.match(r"^---\r?\n(.*?)\r?\n---", content, re.DOTALL)
        try:
            valid = match is None or isinstance(yaml.safe_load(match.group(1)), dict)
        except yaml.YAMLError:
            valid = False
        if not valid:
            return self._reply({"errors": [{"message": "the metadata is no YAML mapping"}], "warnings": []}, 400)
        return self._reply({"errors": [], "warnings": []})

    def _create_repository(self):
        wish = self._json()
        kind, name = wish.get("type", "model"), f"{wish.get('organization') or 'tester'}/{wish['name']}"
        prefix = "" if kind == "model" else f"{kind}s/"
        answer = {"name": name, "url": f"{self.server.url}/{prefix}{name}"}
        with self.server.lock:
            if (kind, name) in self.server.repositories:
                return self._reply({"error": "You already created this repository", **answer}, 409)
            private = wish.get("visibility") == "private" or bool(wish.get("private"))
            self.server.repositories[kind, name] = Repository(kind, name, private)
        return self._reply(answer)

    def _information(self, repository: Repository, revision: str = "main"):
        sha = repository.resolve(revision)
        files = [{"rfilename": path} for path in sorted(repository.snapshots[sha])]
        about = {"_id": "0", "id": repository.name, "sha": sha, "private": repository.private, "siblings": files}
        about |= {"tags": [], "downloads": 0, "likes": 0, "gated": False, "disabled": False, "cardData": {}}
        return self._reply(about | {"author": repository.name.split("/")[0]})

    def _refs(self, repository: Repository):
        def listing(kind, references):
            return [{"name": k, "ref": f"refs/{kind}/{k}", "targetCommit": v} for k, v in references.items()]

        branches, tags = listing("heads", repository.branches), listing("tags", repository.tags)
        return self._reply({"branches": branches, "tags": tags, "converts": []})

    def _commits(self, repository: Repository, revision: str):
        date = "2026-01-01T00:00:00.000Z"
        commits = [{"id": s, "title": m, "message": "", "date": date, "authors": []} for s, m in repository.history]
        return self._reply(commits[::-1])

    def _create_tag(self, repository: Repository, revision: str):
        tag = self._json()["tag"]
        if tag in repository.tags:
            return self._error(409, f"Tag {tag} already exists")
        repository.tags[tag] = self.sha
        return self._reply({})

    def _delete_tag(self, repository: Repository, revision: str):
        return self._reply({} if repository.tags.pop(revision, None) else {"error": "no such tag"})

    def _create_branch(self, repository: Repository, revision: str):
        start = repository.resolve(self._json().get("startingPoint") or "main")
        if revision in repository.branches:
            return self._error(409, f"Branch {revision} already exists")
        repository.branches[revision] = start
        return self._reply({})

    def _set_variable(self, repository: Repository):
        wish = self._json()
        repository.variables[wish["key"]] = wish["value"]
        return self._reply({key: {"value": value} for key, value in repository.variables.items()})

    # --- writing ----------------------------------------------------------------------------------------------------

    def _preupload(self, repository: Repository, revision: str):
        files = repository.files(revision)
        answer = []
        for wish in self._json()["files"]:
            path = wish["path"]
            mode = "lfs" if path.endswith(LFS_SUFFIXES) or wish["size"] > 10_000_000 else "regular"
            known = {"oid": files[path].etag} if path in files else {}
            answer.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **known})
        return self._reply({"files": answer})

    def _lfs_batch(self, repository: Repository):
        answer = []
        for item in self._json()["objects"]:
            entry = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.server.objects:
                entry["actions"] = {"upload": {"href": f"{self.server.url}/lfs/{item['oid']}"}}
            answer.append(entry)
        return self._reply({"transfer": "basic", "objects": answer})

    def _lfs_upload(self, oid: str):
        faults, length = self.server.faults, int(self.headers.get("Content-Length", -1))
        with self.server.lock:
            number = len(self.server.uploads)
            self.server.uploads.append(oid)
        refused = faults.refuse_upload is not None and number >= faults.refuse_upload
        if refused or number in (faults.drop_upload, faults.hang_upload):
            self.rfile.read(length // 2)
            self.close_connection = True
            if number == faults.hang_upload:
                faults.hanging.set()
                faults.release.wait(60)
            if refused:
                self.rfile.read(length - length // 2)
                return self._error(403, "The signature of this address has expired")
            return None
        content = self._body() if length >= 0 else self._chunked_body()
        if hashlib.sha256(content).hexdigest() != oid:
            return self._error(400, "the content has another SHA-256 than announced")
        self.server.objects[oid] = content
        return self._send(200, ETag=f'"{oid}"')

    def _chunked_body(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _commit(self, repository: Repository, revision: str):
        header, *changes = [json.loads(line) for line in self._body().splitlines()]
        with self.server.lock:
            if self.server.faults.fail_commits:
                self.server.faults.fail_commits -= 1
                return self._error(503, "the Hub is busy")
            if revision not in repository.branches:
                return self._error(404, "Invalid rev id", "RevisionNotFound")
            missing = [c["value"]["oid"] for c in changes if c["key"] == "lfsFile"]
            if any(oid not in self.server.objects for oid in missing):
                return self._error(400, "an LFS object of this commit was never uploaded")
            sha = repository.commit(revision, header["value"]["summary"], changes, self.server.objects)
        url = f"{self.server.url}/{repository.name}/commit/{sha}"
        return self._reply({"success": True, "commitOid": sha, "commitUrl": url})

    # --- reading ----------------------------------------------------------------------------------------------------

    def _tree(self, repository: Repository, revision: str, path: str):
        prefix = f"{path}/" if path else ""
        recursive = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        entries, folders = [], set()
        for name, file in sorted(repository.snapshots[self.sha].items()):
            if not name.startswith(prefix):
                continue
            parts = name[len(prefix) :].split("/")
            for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
                folders.add(prefix + "/".join(parts[:depth]))
            if recursive or len(parts) == 1:
                entries.append(file.describe(name))
        if path and not entries and not folders:
            return self._error(404, f"{path} does not exist", "EntryNotFound")
        entries += [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in sorted(folders)]
        return self._reply(entries)

    def _paths_info(self, repository: Repository, revision: str):
        files, entries = repository.snapshots[self.sha], []
        for path in parse_qs(self._body().decode())["paths"]:
            if path in files:
                entries.append(files[path].describe(path))
            elif any(name.startswith(f"{path}/") for name in files):
                entries.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
        return self._reply(entries)

    def _resolve(self, repository: Repository, revision: str, path: str):
        file = repository.snapshots[self.sha].get(path)
        if file is None:
            return self._error(404, f"{path} does not exist", "EntryNotFound", X_Repo_Commit=self.sha)
        headers = {"X_Repo_Commit": self.sha, "ETag": f'"{file.etag}"', "Accept_Ranges": "bytes"}
        if file.lfs:
            headers |= {"X_Linked_ETag": f'"{file.sha256}"', "X_Linked_Size": str(len(file.content))}
            headers["Location"] = f"http://localhost:{self.server.port}/cdn/{file.sha256}/{path}"
            return self._send(302, b"", **headers)
        return self._content(file.content, path, headers)

    def _cdn(self, oid: str, path: str):
        return self._content(self.server.objects[oid], path, {"ETag": f'"{oid}"', "Accept_Ranges": "bytes"})

    def _content(self, content: bytes, path: str, headers: dict[str, str]):
        faults, half = self.server.faults, len(content) // 2
        if path in faults.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if path in faults.shorten:
            content = content[:half]
        start, stop, status = 0, len(content), 200
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted and any(wanted.groups()):
            first, last = wanted.groups()
            start = int(first) if first else max(0, len(content) - int(last))
            stop = min(int(last) + 1, len(content)) if first and last else len(content)
            if start >= len(content):
                return self._error(416, "Range Not Satisfiable", Content_Range=f"bytes */{len(content)}")
            status = 206
            headers = headers | {"Content_Range": f"bytes {start}-{stop - 1}/{len(content)}"}
        part = content[start:stop]
        if path in faults.truncate and self.command == "GET":
            self.close_connection = True
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(part))}.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content[start : max(start, half)])
            return None
        return self._send(status, part, **headers)
