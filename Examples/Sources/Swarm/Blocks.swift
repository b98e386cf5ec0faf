import Foundation
import P2P
import Synchronization

/// A file, whole or in the making: which blocks are there, and what is in them.
final class Blocks: Sendable {
    let manifest: Manifest
    /// The manifest as it travels.
    let encoded: [UInt8]
    /// The name of the whole.
    let name: String
    private let state: Mutex<State>

    private struct State: @unchecked Sendable {
        let handle: FileHandle
        var isHere: [Bool]
    }

    /// - Parameters:
    ///   - handle: the file.
    ///   - isWhole: whether all of it is there; else each block is looked at, and those that are right are there.
    init(_ handle: FileHandle, _ manifest: Manifest, isWhole: Bool) throws {
        self.manifest = manifest
        self.encoded = try manifest.encoded()
        self.name = Manifest.name(of: self.encoded)
        let isHere = try manifest.blocks.indices.map { block in
            try isWhole || manifest.isRight(Self.read(block, of: manifest, from: handle), as: block)
        }
        self.state = Mutex(State(handle: handle, isHere: isHere))
    }

    /// The blocks that are to come.
    var missing: [Int] { self.state.withLock { state in state.isHere.indices.filter { !state.isHere[$0] } } }

    private static func read(_ block: Int, of manifest: Manifest, from handle: FileHandle) throws -> [UInt8] {
        try handle.seek(toOffset: UInt64(block * Manifest.blockSize))
        return Array(try handle.read(upToCount: manifest.length(of: block)) ?? Data())
    }

    /// What somebody asks for; nothing when it is not there.
    func answer(_ request: BlockRequest) throws -> [UInt8] {
        guard request.file == self.name else { return [] }
        guard let block = request.block else { return self.encoded }
        return try self.state.withLock { state in
            guard state.isHere.indices.contains(block), state.isHere[block] else { return [] }
            return try Self.read(block, of: self.manifest, from: state.handle)
        }
    }

    /// Keeps a block.
    ///
    /// - Returns: false if it is not the right one.
    /// - Throws: when it can't be written.
    func keep(_ bytes: [UInt8], as block: Int) throws -> Bool {
        guard self.manifest.isRight(bytes, as: block) else { return false }
        try self.state.withLock { state in
            try state.handle.seek(toOffset: UInt64(block * Manifest.blockSize))
            try state.handle.write(contentsOf: Data(bytes))
            state.isHere[block] = true
        }
        return true
    }
}

/// What one asks another for: a block of a file, or without a number its manifest. The answer is bytes; none mean that it is not there.
struct BlockRequest: Codable, Sendable {
    let file: String
    var block: Int?
}

/// The protocol of blocks, and the network in which holders are found.
enum Wire {
    static let network: ProtocolID = "/example/swarm/kad/1.0.0"

    static let blocks: RequestResponse<BlockRequest, [UInt8]> = {
        var exchange = RequestResponse<BlockRequest, [UInt8]>(
            "/example/swarm/block/1.0.0", requests: JSONCodec<BlockRequest>(), responses: BytesCodec())
        exchange.requestLimit = 1_024
        exchange.responseLimit = 1_024 * 1_024
        exchange.timeout = .seconds(5)
        return exchange
    }()
}
