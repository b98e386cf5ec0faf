"""What each target may import (Specs/Architecture.md, "Rooms"), read against the manifest and every import line.

The compiler sees direct dependencies only, so a transitive import would slip through; this doesn't let it. Nor does it let a
dependency stand in the manifest that nobody imports. Exits 1 and names file, line and reason for every breach.

    imports.py                  checks, also that the picture in Specs/Architecture.md is what the import lines say
    imports.py --draw           prints that picture
    imports.py --draw --write   puts it there
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import picture

PAGE = pathlib.Path("Specs/Architecture.md")

PRIMITIVES = {"P2PMultiformats", "P2PIdentity", "P2PMultiaddr"}
CORE = PRIMITIVES | {"P2PCore", "NIOCore", "Logging"}
MUXING = CORE | {"P2PMuxing"}
PIPELINE = MUXING | {"P2PNegotiation", "P2PPipeline"}

# Folder under Sources/ -> target -> what it may import. "*" stands for any target of that folder.
MAY_IMPORT = {
    "Primitives": {
        "CLibcrypto": set(),
        "P2PMultiformats": {"NIOCore"},
        "P2PIdentity": {"P2PMultiformats", "P2PProtobuf", "NIOCore", "Crypto", "CryptoExtras", "CLibcrypto"},
        "P2PMultiaddr": {"P2PMultiformats", "P2PIdentity"},
        "P2PHTTPHead": {"NIOCore"},
        "P2PProtobuf": {"NIOCore"},
        "P2PSystem": {"NIOCore"},
    },
    "Core": {
        "P2PCore": CORE,
        "P2PNegotiation": CORE,
        "P2PMuxing": CORE,
        "P2PPipeline": MUXING | {"P2PNegotiation"},
    },
    "Security": {
        "P2PNoise": PIPELINE | {"P2PProtobuf", "Crypto", "CryptoExtras", "CLibcrypto"},
        "P2PTLS": PIPELINE | {"P2PCertificate", "NIOSSL", "NIOTLS"},
        "P2PPlaintext": PIPELINE | {"P2PProtobuf"},
        "P2PCertificate": CORE | {"X509", "SwiftASN1", "Crypto", "CryptoExtras"},
        "P2PPrivateNetwork": PIPELINE | {"CLibsodium"},
        "CLibsodium": set(),
    },
    "Muxers": {"*": PIPELINE},
    "Transports": {
        "P2PNames": CORE | {"P2PSystem", "NIOPosix"},
        "P2PTCP": PIPELINE | {"NIOPosix", "P2PNames", "P2PSystem", "CSockets"},
        "P2PWebTLS": PIPELINE | {"NIOSSL", "NIOTLS", "X509", "SwiftASN1"},
        "P2PWebSocket": PIPELINE | {"P2PHTTPHead", "P2PWebTLS", "NIOSSL", "Crypto"},
        "P2PProxy": PIPELINE | {"P2PHTTPHead", "P2PWebTLS"},
        "P2PMemory": PIPELINE,
        "P2PQUIC": MUXING | {"NIOPosix", "P2PCertificate", "P2PNames", "CNgtcp2Shim"},
        "CSockets": set(),
        "CNgtcp2Shim": {"CNgtcp2"},
        "CNgtcp2": set(),
    },
    "Host": {
        "P2PSwarm": CORE,
        "P2PHost": CORE | {"P2PSwarm", "P2PNegotiation", "ServiceLifecycle"},
        "P2PPeerstoreSQLite": CORE | {"GRDB"},
        "P2PPolicy": CORE,
    },
    "Services": {
        "P2PTunnels": CORE | {"NIOPosix", "P2PNames", "P2PSystem", "P2PPolicy", "P2PWebSocket"},
        "P2PHTTP2": PIPELINE | {"P2PHTTP", "HTTPTypes", "NIOHTTP2", "NIOHPACK", "NIOPosix"},
        "P2PHTTP": CORE | {"P2PHTTPHead", "P2PTunnels", "HTTPTypes", "Crypto"},
        "P2PWebSocketListener": {"P2P", "P2PSockets", "P2PWebSocket", "P2PPortMapping", "P2PMultiaddr", "NIOCore"},
    },
    "Protocols": {
        "P2PRelay": PIPELINE | {"P2PPing", "P2PProtobuf"},
        "*": CORE | {"P2PProtobuf"},
    },
    "Discovery": {
        "P2PResolver": CORE | {"NIOPosix", "CCAres"},
        "CCAres": set(),
        "*": CORE | {"NIOPosix"},
    },
    "Operations": {
        "P2PMetrics": CORE | {"CoreMetrics"},
        "P2PPrometheus": {"CoreMetrics", "NIOCore", "NIOPosix", "P2PHTTPHead"},
        "P2PTracing": CORE | {"Tracing"},
    },
    "Reachability": {
        "P2PReachability": CORE,
        "P2PAutoNAT": CORE | {"P2PReachability", "P2PProtobuf"},
        "P2PPortMapping": CORE | {"P2PReachability", "P2PHTTPHead", "NIOPosix"},
    },
    "Routing": {
        "P2PKademliaSQLite": CORE | {"P2PKademlia", "P2PPeerstoreSQLite", "GRDB", "Foundation"},
        "*": CORE | {"P2PProtobuf", "Crypto"},
    },
    "Testing": {
        "P2PTesting": PIPELINE | {"P2PHost", "NIOEmbedded"},
        "P2PProtocolTesting": CORE,
        "P2PVectors": set(),
        "P2PWebSocketEcho": PIPELINE | {"P2PTCP", "P2PWebSocket", "ArgumentParser"},
        "P2PRelayLoad": CORE | {"P2P", "ArgumentParser"},
        "P2PFuzzing": PIPELINE
        | {"P2PNoise", "P2PPlaintext", "P2PPrivateNetwork", "P2PCertificate", "P2PTLS", "P2PYamux", "P2PMplex", "P2PIdentify"}
        | {"P2PQUIC", "P2PTCP", "P2PWebSocket", "P2PProxy", "P2PHTTPHead", "P2PMDNS", "P2PResolver", "P2PRelay", "P2PAutoNAT", "P2PPortMapping", "P2PKademlia", "P2PRendezvous", "P2PFetch", "Crypto", "CryptoExtras", "NIOEmbedded", "CNgtcp2Peer"},
        "CNgtcp2Peer": {"CNgtcp2Shim"},
    },
    "Sockets": {
        "P2PSockets": {"P2PSystem", "NIOCore", "NIOPosix", "NIOSSL", "NIOTLS"},
        "P2PSocketPolicy": {"P2PSockets", "P2PPolicy", "P2PMultiaddr"},
    },
    "P2P": {"P2P": None},
    "Tool": {"P2PTool": CORE | {"P2P", "P2PSystem", "P2PPipeline", "P2PPolicy", "P2PTunnels", "P2PHTTP", "HTTPTypes", "P2PMetrics", "P2PPrometheus", "CoreMetrics", "ArgumentParser", "NIOPosix"}},
}

# The umbrella composes everything except these.
NOT_IN_THE_UMBRELLA = {"P2PWebSocketListener", "P2PPolicy", "P2PSockets", "P2PSocketPolicy", "P2PTunnels", "P2PHTTP", "P2PHTTP2", "P2PMetrics", "P2PPrometheus", "P2PTracing", "P2PTesting", "P2PProtocolTesting", "P2PVectors", "P2PFuzzing", "P2PWebSocketEcho", "P2PRelayLoad", "P2PTool", "ArgumentParser"}

# What every target may use of the platform.
PLATFORM = {"Swift", "Synchronization", "Dispatch", "Darwin", "Glibc", "Musl", "Android", "FoundationEssentials"}

IMPORT = re.compile(
    r"^\s*(?P<attributes>(?:@\w+(?:\([^)]*\))?\s+)*)(?:(?P<access>public|package|internal|fileprivate|private)\s+)?"
    r"import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(?P<module>\w+)",
    re.MULTILINE,
)


def rule(folder, target):
    """The set of modules that a target may import, None for anything, or a KeyError without a rule."""
    rules = MAY_IMPORT[folder]
    return rules[target] if target in rules else rules["*"]


def is_allowed(folder, target, module):
    if module in PLATFORM or module == target:
        return True
    allowed = rule(folder, target)
    return module not in NOT_IN_THE_UMBRELLA if allowed is None else module in allowed


def place(path):
    """(folder, target) of a source file or directory below Sources/."""
    parts = pathlib.PurePath(path).parts
    return (parts[1], parts[1]) if parts[1] == "P2P" else (parts[1], parts[2])


def check_file(path):
    folder, target = place(path)
    text = path.read_text(encoding="utf-8")
    for match in IMPORT.finditer(text):
        module = match["module"]
        where = f"{path}:{text.count(chr(10), 0, match.start('module')) + 1}"
        if module == "Foundation" and folder != "Tool":
            if "canImport(FoundationEssentials)" not in text:
                yield f"{where}: Foundation without trying FoundationEssentials first"
        elif not is_allowed(folder, target, module):
            yield f"{where}: {target} may not import {module}"
        if module.startswith("Foundation") and match["access"] == "public":
            yield f"{where}: {module} must stay behind an internal import"
        if "@testable" in match["attributes"]:
            yield f"{where}: @testable belongs in tests"
        if "@_exported" in match["attributes"] and folder != "P2P":
            yield f"{where}: only the umbrella re-exports"


def read_manifest():
    swift = os.environ.get("SWIFT", "swift")
    dump = subprocess.run([swift, "package", "dump-package"], check=True, capture_output=True, text=True)
    return json.loads(dump.stdout)


def check_manifest(manifest):
    for target in manifest["targets"]:
        name, path = target["name"], target.get("path") or ""
        if target["type"] == "test":
            continue
        if not path.startswith("Sources/"):
            yield f"Package.swift: {name} lies outside Sources/"
            continue
        try:
            folder, folder_target = place(path)
            rule(folder, folder_target)
        except (KeyError, IndexError):
            yield f"Package.swift: no import rule for {name} at {path}: give it one in .ci/imports.py"
            continue
        if name != folder_target:
            yield f"Package.swift: {name} lies in the folder of {folder_target}"
        for dependency in dependencies(target):
            if not is_allowed(folder, name, dependency):
                yield f"Package.swift: {name} may not depend on {dependency}"


def dependencies(target):
    """What the manifest declares for a target: names of targets and products."""
    return [fields[0] for dependency in target["dependencies"] for fields in dependency.values()]


def check_unused(manifest):
    """What is declared but not imported. The list `core` comes as one: who names P2PCore gets all of it."""
    for target in manifest["targets"]:
        imported = imported_by(target["path"])
        declared = dependencies(target)
        given = CORE if "P2PCore" in declared and "P2PCore" in imported else set()
        for dependency in declared:
            if imported and dependency not in imported | given:
                yield f"Package.swift: {target['name']} depends on {dependency} and imports it nowhere"


def imported_by(path):
    """What the Swift files below a folder import; empty for C."""
    return {match["module"] for file in pathlib.Path(path).rglob("*.swift") for match in IMPORT.finditer(file.read_text("utf-8"))}


def drawing():
    """The picture of the targets below Sources/ and their import lines."""
    rooms = {folder: [] for folder in MAY_IMPORT}
    imports = {}
    for folder in rooms:
        homes = [pathlib.Path("Sources", folder)] if folder == "P2P" else sorted(pathlib.Path("Sources", folder).iterdir())
        for home in homes:
            imported = imported_by(home)
            if imported or home.name.startswith("P2P"):
                rooms[folder].append(home.name)
                imports[home.name] = imported - {home.name}
    return picture.draw(rooms, imports)


def check_picture():
    page = PAGE.read_text("utf-8")
    if page != picture.replaced(page, drawing()):
        yield f"{PAGE}: the picture is not what the import lines say: python3 .ci/imports.py --draw --write"


def check_sources():
    for path in sorted(pathlib.Path("Sources").rglob("*.swift")):
        try:
            yield from check_file(path)
        except (KeyError, IndexError):
            yield f"{path}: no import rule for this folder: give it one in .ci/imports.py"


def main():
    if "--draw" in sys.argv:
        if "--write" not in sys.argv:
            print(drawing())
        elif page := picture.replaced(PAGE.read_text("utf-8"), drawing()):
            PAGE.write_text(page, "utf-8")
        else:
            sys.exit(f"{PAGE}: no markers for the picture")
        return 0
    manifest = read_manifest()
    breaches = [*check_manifest(manifest), *check_unused(manifest), *check_sources(), *check_picture()]
    for breach in breaches:
        print(breach)
    if breaches:
        print(f"imports: {len(breaches)} breaches")
    return 1 if breaches else 0


sys.exit(main())
