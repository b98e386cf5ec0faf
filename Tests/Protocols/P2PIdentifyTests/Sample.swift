import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization

@testable import P2PIdentify

/// A peer with a key, and what it says.
struct Sample {
    let key: PrivateKey
    let peer: PeerID

    init(_ type: KeyType = .ed25519) throws {
        self.key = try PrivateKey.generate(type)
        self.peer = PeerID(self.key.publicKey)
    }

    static func address(_ number: Int) throws -> Multiaddr {
        try Multiaddr("/ip4/10.0.\(number / 250).\(number % 250 + 1)/tcp/4001")
    }

    static func addresses(_ count: Int) throws -> [Multiaddr] { try (0..<count).map(Self.address) }

    func record(sequence: UInt64 = 1, addresses: [Multiaddr] = []) async throws -> [UInt8] {
        try await PeerRecord(peer: self.peer, sequence: sequence, addresses: addresses.map(\.bytes)).sealed(with: self.key)
            .protobufEncoded()
    }

    /// A message as this peer would send it, changed by `change`.
    func message(_ change: (inout IdentifyMessage) -> Void = { _ in }) throws -> ByteBuffer {
        var wire = IdentifyMessage()
        wire.publicKey = self.key.publicKey.protobufEncoded
        wire.listenAddresses = [try Self.address(1).bytes]
        wire.protocols = [Array("/ipfs/ping/1.0.0".utf8)]
        wire.agentVersion = Array("sample/1".utf8)
        change(&wire)
        return wire.encoded
    }

    func read(_ messages: ByteBuffer...) throws(StreamError) -> IntroductionReader.Reading {
        var reader = IntroductionReader()
        for message in messages { try reader.merge(message) }
        return try reader.finish(from: self.peer, holding: self.key.publicKey)
    }
}

/// A host as identify sees it.
final class IntroducingHost: PeerIntroducing {
    struct State {
        var own = Introduction()
        var told: [Introduction] = []
        var known: Introduction?
        var serving: [ConnectionInfo] = []
    }

    let state = Mutex(State())
    let introductionChanges: AsyncStream<Void>
    let change: AsyncStream<Void>.Continuation

    init() {
        (self.introductionChanges, self.change) = AsyncStream.makeStream(of: Void.self)
    }

    var told: [Introduction] { self.state.withLock { $0.told } }

    func introduction(to connection: ConnectionInfo) async -> Introduction { self.state.withLock { $0.own } }
    func introduced(_ introduction: Introduction, on connection: ConnectionInfo) async {
        self.state.withLock { $0.told.append(introduction) }
    }
    func connections(serving protocolID: ProtocolID) async -> [ConnectionInfo] { self.state.withLock { $0.serving } }
    func knownIntroduction(of peer: PeerID) async -> Introduction? { self.state.withLock { $0.known } }
}

/// Says one message for each stream, as it was told to.
final class SaysInTurn: Sendable {
    private let messages = Mutex<[ByteBuffer]>([])

    func say(_ message: ByteBuffer) { self.messages.withLock { $0.append(message) } }

    func next() -> ByteBuffer { self.messages.withLock { $0.isEmpty ? ByteBuffer() : $0.removeFirst() } }
}
