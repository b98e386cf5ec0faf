import Foundation

/// The public test vectors: `$P2P_VECTORS`, else `../shared/vectors` beside the package.
enum Vectors {
    private static let root: URL = {
        if let path = ProcessInfo.processInfo.environment["P2P_VECTORS"] { return URL(fileURLWithPath: path) }
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        return root.deletingLastPathComponent().appendingPathComponent("shared/vectors")
    }()

    static let areHere = FileManager.default.fileExists(atPath: root.appendingPathComponent("dns-corpus").path)

    static func files(_ folder: String) throws -> [[UInt8]] {
        let folder = self.root.appendingPathComponent(folder)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
            Array(try Data(contentsOf: folder.appendingPathComponent($0)))
        }
    }
}
