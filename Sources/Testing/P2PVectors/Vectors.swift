#if canImport(FoundationEssentials)
    package import FoundationEssentials
#else
    package import Foundation
#endif

/// The public test vectors: `$P2P_VECTORS`, else the folder `shared/vectors` beside the package.
package enum Vectors {
    package static let areAbsent = "the public vectors are absent; set P2P_VECTORS"

    private static let folder: String = {
        if let path = ProcessInfo.processInfo.environment["P2P_VECTORS"] { return path }
        // This file is four levels below the package.
        let package = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4)
        return (package.dropLast() + ["shared", "vectors"]).joined(separator: "/")
    }()

    private static func place(_ path: String) -> String { "\(Self.folder)/\(path)" }

    /// Whether a file or folder is there; for the condition of a test.
    package static func exist(_ path: String) -> Bool { FileManager.default.fileExists(atPath: Self.place(path)) }

    /// The content of a file.
    package static func data(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: Self.place(path))) }

    /// The content of a file.
    package static func bytes(_ path: String) throws -> [UInt8] { Array(try Self.data(path)) }

    /// The lines of a file, without the empty ones.
    package static func lines(_ path: String) throws -> [String] {
        String(decoding: try Self.data(path), as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
    }

    /// A file of JSON.
    package static func json<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value {
        try JSONDecoder().decode(type, from: Self.data(path))
    }

    /// The contents of a folder's files, ordered by their names.
    package static func files(_ folder: String) throws -> [[UInt8]] {
        try FileManager.default.contentsOfDirectory(atPath: Self.place(folder)).sorted().map { try Self.bytes("\(folder)/\($0)") }
    }
}
