#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Two PEM files in a directory of their own.
final class CertificateFiles: Sendable {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("p2p-wss-\(UInt64.random(in: 0 ... .max))")
    var chain: String { self.directory.appendingPathComponent("chain.pem").path }
    var key: String { self.directory.appendingPathComponent("key.pem").path }

    init() throws {
        try FileManager.default.createDirectory(at: self.directory, withIntermediateDirectories: true)
        try self.write(TestCertificates.first, TestCertificates.firstKey)
    }

    func write(_ chain: String, _ key: String) throws {
        try (chain + "\n").write(toFile: self.chain, atomically: true, encoding: .utf8)
        try (key + "\n").write(toFile: self.key, atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(at: self.directory) }
}
