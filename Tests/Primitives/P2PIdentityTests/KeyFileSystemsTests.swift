import Dispatch
import Foundation
import Synchronization
import Testing

@testable import P2PIdentity

/// Files as they are out there: mounted secrets, and file systems that lack this and that.
@Suite("Key files on other file systems")
final class KeyFileSystemsTests {
    private let directory: URL

    init() throws {
        self.directory = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
            .appendingPathComponent("key-systems-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: self.directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit {
        try? FileManager.default.removeItem(at: self.directory)
    }

    private func path(_ name: String) -> String { self.directory.appendingPathComponent(name).path }

    private var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: self.directory.path)) ?? []).sorted()
    }

    private func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: self.path(name), withDestinationPath: target)
    }

    // MARK: Mounted secrets

    /// `node.key` -> `..data/node.key`, `..data` -> a folder, as Kubernetes mounts a secret.
    private func mountSecret(mode: mode_t, folder: mode_t = 0o755, mount: mode_t = 0o1777) throws -> PrivateKey {
        let key = try PrivateKey.generate(.ed25519)
        try FileManager.default.createDirectory(atPath: self.path("mount/..2026"), withIntermediateDirectories: true)
        try KeyFile.write(key, to: self.path("mount/..2026/node.key"))
        try self.link("mount/..data", to: "..2026")
        try self.link("mount/node.key", to: "..data/node.key")
        try #require(chmod(self.path("mount/..2026/node.key"), mode) == 0)
        try #require(chmod(self.path("mount/..2026"), folder) == 0)
        try #require(chmod(self.path("mount"), mount) == 0)
        return key
    }

    @Test("A mounted secret is read through its links", arguments: [0o400, 0o600] as [mode_t])
    func secret(mode: mode_t) throws {
        let key = try self.mountSecret(mode: mode)
        for name in ["mount/node.key", "mount/..data/node.key", "mount/..2026/node.key", "mount/./..data/../node.key"] {
            #expect(try KeyFile.read(self.path(name)).publicKey == key.publicKey)
        }
        try self.link("absolute", to: self.path("mount/node.key"))
        #expect(try KeyFile.read(self.path("absolute")).publicKey == key.publicKey)
    }

    @Test(
        "One that others may read is refused, and the message says whose bits and what to do", arguments: [0o440, 0o644, 0o604] as [mode_t])
    func exposedSecret(mode: mode_t) throws {
        _ = try self.mountSecret(mode: mode)
        let error = #expect(throws: IdentityError(.keyFileExposed, "")) { try KeyFile.read(self.path("mount/node.key")) }
        #expect(error?.message.contains("0\(String(mode, radix: 8))") == true)
        #expect(error?.message.contains("its group") == (mode & 0o070 != 0))
        #expect(error?.message.contains("others") == (mode & 0o007 != 0))
        #expect(error?.message.contains("0400") == true)
    }

    @Test(
        "A link that others may lead elsewhere is refused, and the message names the folder", arguments: [0o777, 0o770, 0o722] as [mode_t])
    func unsoundFolder(mode: mode_t) throws {
        let key = try self.mountSecret(mode: 0o600, mount: mode)
        let error = #expect(throws: IdentityError(.keyFileExposed, "")) { try KeyFile.read(self.path("mount/node.key")) }
        #expect(error?.message.contains("symbolic link") == true)
        #expect(error?.message.contains("chmod go-w \(self.path("mount"))") == true)
        // Without a link on the way it is the file that counts.
        #expect(try KeyFile.read(self.path("mount/..2026/node.key")).publicKey == key.publicKey)
    }

    @Test("So is one behind which others may put another file")
    func unsoundTarget() throws {
        _ = try self.mountSecret(mode: 0o600, folder: 0o777)
        #expect(throws: IdentityError(.keyFileExposed, "")) { try KeyFile.read(self.path("mount/node.key")) }
    }

    @Test("Somebody else's link, folder or file on the way is refused, and the message says whose it is")
    func somebodyElses() throws {
        guard geteuid() == 0 else { return }
        for name in ["mount/node.key", "mount/..data", "mount/..2026", "mount/..2026/node.key", "mount"] {
            let key = try self.mountSecret(mode: 0o600)
            try #require(lchown(self.path(name), 12_345, 0) == 0)
            let error = #expect(throws: IdentityError(.keyFileExposed, "")) { try KeyFile.read(self.path("mount/node.key")) }
            #expect(error?.message.contains("user 12345") == true, "\(name)")
            #expect(try KeyFile.read(self.path("mount/..2026/node.key")).publicKey == key.publicKey)
            try FileManager.default.removeItem(atPath: self.path("mount"))
        }
    }

    @Test("Links in a circle and too many of them are refused")
    func circles() throws {
        try self.link("a", to: "b")
        try self.link("b", to: "a")
        #expect(throws: IdentityError(.keyFileNotRegular, "")) { try KeyFile.read(self.path("a")) }
        #expect(throws: IdentityError(.keyFileMissing, "")) { try KeyFile.read("") }
    }

    // MARK: Names

    private static func failing(_ code: CInt) -> NewName.Way {
        { _, _ in
            errno = code
            return -1
        }
    }

    /// Ways to name a file on file systems that lack some of them.
    private static let systems: [(String, NewName)] =
        [EPERM, EOPNOTSUPP, ENOSYS, EMLINK, EINVAL, EACCES].flatMap { code in
            [
                ("no links: \(code)", NewName(link: KeyFileSystemsTests.failing(code))),
                (
                    "neither: \(code)",
                    NewName(link: KeyFileSystemsTests.failing(code), renameUnlessTaken: KeyFileSystemsTests.failing(EINVAL))
                ),
                (
                    "neither, ENOSYS: \(code)",
                    NewName(link: KeyFileSystemsTests.failing(code), renameUnlessTaken: KeyFileSystemsTests.failing(ENOSYS))
                ),
            ]
        }

    @Test("A key is made, whole and alone, and never replaces one", arguments: systems.indices)
    func naming(index: Int) throws {
        let (name, naming) = Self.systems[index]
        let (first, second) = (try PrivateKey.generate(.ed25519), try PrivateKey.generate(.ed25519))
        try OwnerOnlyFile.write(first.protobufEncoded, to: self.path("key"), replacing: false, naming: naming)
        #expect(try KeyFile.read(self.path("key")).publicKey == first.publicKey, "\(name)")
        #expect(self.names == ["key"])
        #expect(throws: IdentityError(.keyFileExists, "")) {
            try OwnerOnlyFile.write(second.protobufEncoded, to: self.path("key"), replacing: false, naming: naming)
        }
        try Data().write(to: URL(fileURLWithPath: self.path("empty")))
        try self.link("nowhere", to: "missing")
        for taken in ["empty", "nowhere"] {
            #expect(throws: IdentityError(.keyFileExists, "")) {
                try OwnerOnlyFile.write(second.protobufEncoded, to: self.path(taken), replacing: false, naming: naming)
            }
        }
        #expect(try KeyFile.read(self.path("key")).publicKey == first.publicKey)
        #expect(self.names == ["empty", "key", "nowhere"])
    }

    @Test("Of many who make one key at the same time one succeeds, and it is that one's", arguments: systems.indices)
    func races(index: Int) throws {
        let (name, naming) = Self.systems[index]
        let path = self.path("key")
        let keys = try (0..<8).map { _ in try PrivateKey.generate(.ed25519) }
        let winners = Mutex<[PublicKey]>([])
        DispatchQueue.concurrentPerform(iterations: keys.count) { index in
            guard (try? OwnerOnlyFile.write(keys[index].protobufEncoded, to: path, replacing: false, naming: naming)) != nil else { return }
            winners.withLock { $0.append(keys[index].publicKey) }
        }
        let won = winners.withLock { $0 }
        #expect(won.count == 1, "\(name)")
        #expect(try KeyFile.read(path).publicKey == won.first)
        #expect(self.names == ["key"])
    }

    @Test("A rename that fails leaves nothing behind, and a key that came in between stays")
    func lastWay() throws {
        let key = try PrivateKey.generate(.ed25519)
        let failing = NewName(link: Self.failing(EPERM), renameUnlessTaken: Self.failing(EINVAL), rename: Self.failing(EIO))
        #expect(throws: IdentityError(.keyFileUnavailable, "")) {
            try OwnerOnlyFile.write(key.protobufEncoded, to: self.path("key"), replacing: false, naming: failing)
        }
        #expect(self.names.isEmpty)
        let other = try PrivateKey.generate(.ed25519)
        let late = NewName(
            link: Self.failing(EPERM), renameUnlessTaken: Self.failing(EINVAL),
            rename: { _, name in
                try? KeyFile.write(other, to: name, replacing: true)
                errno = EIO
                return -1
            })
        #expect(throws: IdentityError.self) {
            try OwnerOnlyFile.write(key.protobufEncoded, to: self.path("key"), replacing: false, naming: late)
        }
        #expect(try KeyFile.read(self.path("key")).publicKey == other.publicKey)
    }

    @Test("What a process that was killed at the last step leaves is no key, is not replaced, and the message says so")
    func killed() throws {
        try Data().write(to: URL(fileURLWithPath: self.path("key")))
        try #require(chmod(self.path("key"), 0o600) == 0)
        let error = #expect(throws: IdentityError(.keyFileEmpty, "")) { try KeyFile.read(self.path("key")) }
        #expect(error?.message.contains("remove it") == true)
        #expect(throws: IdentityError(.keyFileExists, "")) { try KeyFile.write(try PrivateKey.generate(.ed25519), to: self.path("key")) }
    }

    @Test("A name that the system refuses for another reason stays an error")
    func otherErrors() throws {
        for code in [EIO, ENOSPC, EDQUOT] {
            #expect(throws: IdentityError(.keyFileUnavailable, "")) {
                try OwnerOnlyFile.write([1], to: self.path("key"), replacing: false, naming: NewName(link: Self.failing(code)))
            }
        }
        #expect(self.names.isEmpty)
    }

    @Test("Here files keep their modes, and finding that out leaves nothing")
    func modes() {
        #expect(OwnerOnlyFile.keepsModes(beside: self.path("key")))
        #expect(self.names.isEmpty)
        #expect(OwnerOnlyFile.keepsModes(beside: self.path("missing/key")))
    }
}
