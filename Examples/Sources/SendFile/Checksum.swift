import Crypto
import Foundation

/// Hashes of files.
enum Checksum {
    private static let piece = 1_024 * 1_024

    /// Reads a file to its end.
    static func sha256(of file: URL) throws -> (size: Int64, digest: String) {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        var hash = SHA256()
        var size: Int64 = 0
        while let bytes = try handle.read(upToCount: self.piece), !bytes.isEmpty {
            hash.update(data: bytes)
            size += Int64(bytes.count)
        }
        let digest = hash.finalize().map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        return (size, digest.joined())
    }
}
