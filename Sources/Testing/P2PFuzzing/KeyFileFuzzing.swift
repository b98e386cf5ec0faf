import P2PIdentity
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// Key files with any content and mode: one whole key under its owner's eyes alone, or an error; the file is never touched.
enum KeyFileFuzzing {
    static func run(_ bytes: [UInt8]) {
        self.turn.withLock { _ in self.runAlone(bytes) }
    }

    /// There is one directory, and tests run at the same time.
    private static let turn = Mutex(())

    private static func runAlone(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let mode = mode_t(input.short()) & 0o777 | 0o400
        let content = input.remainder()
        let path = Self.directory + "/key"
        Self.create(content, to: path, mode: mode)
        let expected = try? PrivateKey(protobufEncoded: content)
        do throws(IdentityError) {
            let key = try KeyFile.read(path)
            precondition(mode & 0o077 == 0, "a key with mode 0\(String(mode, radix: 8)) was read")
            precondition(key.protobufEncoded == expected?.protobufEncoded, "another key was read than the one in the file")
        } catch {
            if mode & 0o077 != 0 {
                precondition(error.code == .keyFileExposed, "an exposed key file gives \(error)")
            } else {
                precondition(expected == nil, "a good key file gives \(error)")
            }
        }
        if let expected {
            guard case .failure(let error) = Result(catching: { () throws(IdentityError) in try KeyFile.write(expected, to: path) }),
                error.code == .keyFileExists
            else { preconditionFailure("a key was replaced without being asked") }
        }
        precondition(Self.size(of: path) == content.count, "the file has changed")
        unlink(path)
    }

    /// A directory of this process alone.
    private static let directory: String = {
        var template = Array("/tmp/p2p-fuzz-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { preconditionFailure("no directory for key files") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()

    private static func create(_ content: [UInt8], to path: String, mode: mode_t) {
        unlink(path)
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        precondition(file >= 0, "no key file")
        let count = content.withUnsafeBytes { $0.isEmpty ? 0 : write(file, $0.baseAddress, $0.count) }
        precondition(count == content.count)
        precondition(fchmod(file, mode) == 0)
        close(file)
    }

    private static func size(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : -1
    }
}
