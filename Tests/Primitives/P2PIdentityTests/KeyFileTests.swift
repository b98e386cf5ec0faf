import Foundation
import Testing

@testable import P2PIdentity

@Suite("Key files")
final class KeyFileTests {
    private let directory: URL

    init() throws {
        self.directory = FileManager.default.temporaryDirectory.appendingPathComponent("key-files-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: self.directory)
    }

    private func path(_ name: String) -> String {
        self.directory.appendingPathComponent(name).path
    }

    private var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: self.directory.path)) ?? []).sorted()
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    /// Puts bytes into a file as an owner-only file, past the code under test.
    private func put(_ bytes: [UInt8], _ name: String, mode: Int = 0o600) throws -> String {
        let path = self.path(name)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    private func content(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    @Test("A key written is a key read, in a file of mode 0600 that holds the bare message and has no company", arguments: KeyType.allCases)
    func roundTrip(type: KeyType) throws {
        let key = try PrivateKey.generate(type)
        let path = self.path("key")
        try KeyFile.write(key, to: path)
        #expect(try KeyFile.read(path).protobufEncoded == key.protobufEncoded)
        #expect(try self.content(path) == key.protobufEncoded)
        #expect(try self.mode(path) == 0o600)
        #expect(self.names == ["key"])
    }

    @Test("An existing file stays as it is unless it may be replaced")
    func replacing() throws {
        let first = try PrivateKey.generate(.ed25519)
        let second = try PrivateKey.generate(.ed25519)
        let path = self.path("key")
        try KeyFile.write(first, to: path)
        #expect(throws: IdentityError(.keyFileExists, "")) { try KeyFile.write(second, to: path) }
        #expect(try KeyFile.read(path).publicKey == first.publicKey)
        #expect(self.names == ["key"])
        try KeyFile.write(second, to: path, replacing: true)
        #expect(try KeyFile.read(path).publicKey == second.publicKey)
        #expect(try self.mode(path) == 0o600)
        #expect(self.names == ["key"])
    }

    @Test("Every truncated key file is refused with the reason and left alone")
    func truncated() throws {
        let whole = try PrivateKey.generate(.ed25519).protobufEncoded
        for count in 1..<whole.count {
            let path = try self.put(Array(whole[..<count]), "truncated")
            let error = #expect(throws: IdentityError(.keyFileDamaged, "")) { try KeyFile.read(path) }
            #expect(error?.cause is IdentityError)
            #expect(error?.message.contains(path) == true)
            #expect(try self.content(path) == Array(whole[..<count]))
        }
        let longer = try self.put(whole + [0], "longer")
        #expect(throws: IdentityError(.keyFileDamaged, "")) { try KeyFile.read(longer) }
    }

    @Test("Empty, oversize and missing files are refused, each with its own code")
    func sizes() throws {
        let empty = try self.put([], "empty")
        #expect(throws: IdentityError(.keyFileEmpty, "")) { try KeyFile.read(empty) }
        let oversize = try self.put([UInt8](repeating: 0, count: PrivateKey.maximumEncodedSize + 1), "oversize")
        #expect(throws: IdentityError(.keyFileTooLarge, "")) { try KeyFile.read(oversize) }
        #expect(throws: IdentityError(.keyFileMissing, "")) { try KeyFile.read(self.path("missing")) }
        #expect(throws: IdentityError(.keyFileMissing, "")) { try KeyFile.read("") }
        #expect(throws: IdentityError(.keyFileMissing, "")) {
            try KeyFile.write(PrivateKey.generate(.ed25519), to: self.path("missing/key"))
        }
    }

    @Test("A file that group or others may touch is refused", arguments: [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o777])
    func exposed(mode: Int) throws {
        let path = try self.put(PrivateKey.generate(.ed25519).protobufEncoded, "key", mode: mode)
        let error = #expect(throws: IdentityError(.keyFileExposed, "")) { try KeyFile.read(path) }
        #expect(error?.message.contains(String(mode, radix: 8)) == true)
        #expect(try self.mode(path) == mode)
    }

    @Test("A read-only file of the owner is read")
    func readOnly() throws {
        let key = try PrivateKey.generate(.ed25519)
        let path = try self.put(key.protobufEncoded, "key", mode: 0o400)
        #expect(try KeyFile.read(path).publicKey == key.publicKey)
    }

    @Test("Directories, pipes and devices are refused, also behind a link, and links are nothing to replace")
    func notRegular() throws {
        let real = self.path("real")
        try KeyFile.write(try PrivateKey.generate(.ed25519), to: real)
        let link = self.path("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: real)
        let dangling = self.path("dangling")
        try FileManager.default.createSymbolicLink(atPath: dangling, withDestinationPath: self.path("nowhere"))
        let pipe = self.path("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        let toPipe = self.path("to pipe")
        try FileManager.default.createSymbolicLink(atPath: toPipe, withDestinationPath: pipe)
        let other = try PrivateKey.generate(.ed25519)
        let before = self.names
        for path in [self.directory.path, pipe, toPipe, "/dev/null"] {
            #expect(throws: IdentityError(.keyFileNotRegular, "")) { try KeyFile.read(path) }
        }
        #expect(throws: IdentityError(.keyFileMissing, "")) { try KeyFile.read(dangling) }
        for path in [link, dangling, pipe] {
            #expect(throws: IdentityError(.keyFileExists, "")) { try KeyFile.write(other, to: path) }
            #expect(throws: IdentityError(.keyFileNotRegular, "")) { try KeyFile.write(other, to: path, replacing: true) }
        }
        #expect(self.names == before)
    }

    @Test("A disk that fills up leaves the old key whole, no half of a new one, and says so", arguments: [true, false])
    func diskFull(isReplacing: Bool) throws {
        let old = try PrivateKey.generate(.ed25519)
        let new = try PrivateKey.generate(.ed25519)
        let path = self.path("key")
        if isReplacing { try KeyFile.write(old, to: path) }
        let error = #expect(throws: IdentityError(.keyFileUnavailable, "")) {
            try OwnerOnlyFile.write(
                new.protobufEncoded, to: path, replacing: isReplacing,
                writing: { number, start, count in
                    if count > 10 { return FileDescriptor.systemWrite(number, start, count - 10) }
                    errno = ENOSPC
                    return -1
                })
        }
        #expect(error?.message.contains(String(cString: strerror(ENOSPC))) == true)
        #expect(self.names == (isReplacing ? ["key"] : []))
        if isReplacing { #expect(try KeyFile.read(path).publicKey == old.publicKey) }
    }

    @Test("Writes that take a few bytes at a time, with signals in between, still write the whole key")
    func shortWrites() throws {
        let key = try PrivateKey.generate(.rsa)
        let path = self.path("key")
        var calls = 0
        try OwnerOnlyFile.write(
            key.protobufEncoded, to: path, replacing: false,
            writing: { number, start, count in
                calls += 1
                if calls.isMultiple(of: 2) {
                    errno = EINTR
                    return -1
                }
                return FileDescriptor.systemWrite(number, start, min(count, 100))
            })
        #expect(try KeyFile.read(path).publicKey == key.publicKey)
    }

    @Test("Paths that lead through a file, hold a zero byte or have too long a name, fail with what the system says")
    func unreachable() throws {
        let key = try PrivateKey.generate(.ed25519)
        let file = try self.put([1], "file")
        #expect(throws: IdentityError(.keyFileUnavailable, "")) { try KeyFile.write(key, to: "\(file)/key") }
        #expect(throws: IdentityError(.keyFileUnavailable, "")) { try KeyFile.read("\(file)/key") }
        #expect(throws: IdentityError(.keyFileUnavailable, "")) { try KeyFile.read(self.path(String(repeating: "x", count: 300))) }
        #expect(throws: IdentityError(.keyFileUnavailable, "")) { try KeyFile.write(key, to: "\(file)\0") }
        #expect(throws: IdentityError(.keyFileUnavailable, "")) { try KeyFile.read("\(file)\0") }
    }
}
