import Foundation

/// The public test vectors: `$P2P_VECTORS`, else the folder `shared/vectors` beside the package.
enum Vectors {
    static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["P2P_VECTORS"] {
            return URL(fileURLWithPath: path)
        }
        let root = (0..<4).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        return root.deletingLastPathComponent().appendingPathComponent("shared/vectors")
    }()

    static let areAbsent = "the public vectors are absent; set P2P_VECTORS"

    static func exist(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: Self.folder.appendingPathComponent(path).path)
    }

    static func data(_ path: String) throws -> Data {
        try Data(contentsOf: Self.folder.appendingPathComponent(path))
    }

    static func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Self.data(path))
    }

    static func json<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value {
        try JSONDecoder().decode(type, from: Self.data(path))
    }
}
