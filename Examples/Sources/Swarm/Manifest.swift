import Crypto
import Foundation

/// What a file is made of: the SHA-256 of each of its blocks. The SHA-256 of the manifest itself names the file, so that whoever knows the name can check everything.
struct Manifest: Codable {
    /// Bytes of a block; the last one may be shorter.
    static let blockSize = 256 * 1_024
    /// Blocks of the largest file: a manifest has to fit into one answer.
    static let mostBlocks = 12_000

    let name: String
    let size: Int
    let blocks: [String]
    /// The bytes in which it came, whose SHA-256 is its name; nil for one that was made here.
    private var received: [UInt8]?

    private enum CodingKeys: CodingKey {
        case name, size, blocks
    }

    /// Reads a file to its end.
    init(of file: URL) throws {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        var (size, blocks) = (0, [String]())
        while let bytes = try handle.read(upToCount: Self.blockSize), !bytes.isEmpty {
            size += bytes.count
            blocks.append(Self.name(of: bytes))
            guard blocks.count <= Self.mostBlocks else { throw Problem("the file is larger than \(Self.mostBlocks) blocks") }
        }
        self.name = file.lastPathComponent
        self.size = size
        self.blocks = blocks
    }

    /// Reads what a peer has sent, if it is what the name says and makes sense.
    init(_ bytes: [UInt8], named name: String) throws {
        guard Self.name(of: bytes) == name else { throw Problem("the manifest has another SHA-256") }
        let manifest = try JSONDecoder().decode(Self.self, from: Data(bytes))
        guard (0...Self.mostBlocks * Self.blockSize).contains(manifest.size),
            manifest.blocks.count == (manifest.size + Self.blockSize - 1) / Self.blockSize
        else { throw Problem("the manifest contradicts itself") }
        self = manifest
        self.received = bytes
    }

    /// As it travels; the same bytes each time, and those that came, whoever wrote them in his own way.
    func encoded() throws -> [UInt8] {
        if let received { return received }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return Array(try encoder.encode(self))
    }

    /// Bytes of one block.
    func length(of block: Int) -> Int { min(Self.blockSize, self.size - block * Self.blockSize) }

    /// Whether that is what the block has.
    func isRight(_ bytes: [UInt8], as block: Int) -> Bool {
        bytes.count == self.length(of: block) && Self.name(of: bytes) == self.blocks[block]
    }

    /// The SHA-256 of something, as 64 hexadecimal digits.
    static func name(of bytes: some Sequence<UInt8> & DataProtocol) -> String {
        SHA256.hash(data: bytes).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    /// The key under which the hash table knows who has something: its SHA-256 as a multihash. Nil for what is no name.
    static func key(of name: String) -> [UInt8]? {
        guard name.utf8.count == 64 else { return nil }
        let digits = name.compactMap(\.hexDigitValue).map { UInt8($0) }
        guard digits.count == 64 else { return nil }
        return [0x12, 0x20] + stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

/// Why something does not work, for people.
struct Problem: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
