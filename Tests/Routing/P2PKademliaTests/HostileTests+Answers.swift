import NIOCore
import P2PCore
import P2PHost
import P2PIdentity
import P2PMultiaddr
import P2PTesting
import Synchronization
import Testing

@testable import P2PKademlia

/// What peers answer that mean no good.
extension HostileTests {
    /// An answer as an honest peer that knows these gives it.
    static func answer(to request: KademliaMessage, naming closer: [KademliaContact] = []) -> KademliaMessage {
        var answer = KademliaMessage(request.kind, key: request.kind == .findNode ? [] : request.key)
        answer.closer = closer
        return answer
    }

    @Test("A peer that is said to be where this node is costs a dial, this node that is said to be elsewhere none", .timeLimit(.minutes(1)))
    func ownPlace() async throws {
        try await withWorld(seed: 39, everyLink: .latency(.milliseconds(20)).timeout(.seconds(5))) { world in
            let one = try await Self.join(world)
            let (ghost, own) = (try Fixture.peer(number: 1), one.host.peerID)
            let ownPlaces = one.host.listenAddresses.map(\.withoutPeerID)
            let liar = try await Self.liar(world, to: [one.host]) { stream, request in
                let named = [
                    KademliaContact(ghost, at: ownPlaces), KademliaContact(own, at: [try Multiaddr("/ip4/10.9.9.9/tcp/1")]),
                    KademliaContact(ghost, at: ownPlaces),
                ]
                try await stream.writeMessage(Self.answer(to: request, naming: named).encoded())
            }
            try await world.run(for: .seconds(10))
            #expect(one.dht.knownPeers == [liar.peerID])
            let asked = Mutex<[PeerID]>([])
            let failed = Mutex<[PeerID]>([])
            let found = try await world.perform {
                try await one.dht.closestPeers(to: [1]) { event in
                    if case .asked(let peer, _) = event { asked.withLock { $0.append(peer) } }
                    if case .failed(let peer, _) = event { failed.withLock { $0.append(peer) } }
                }
            }
            #expect(found.peers.map(\.peer) == [liar.peerID] && found.summary.messages == 2)
            #expect(asked.withLock { $0 } == [liar.peerID, ghost] && failed.withLock { $0 } == [ghost])
            #expect(one.host.connections().map(\.remotePeer) == [liar.peerID])
        }
    }

    @Test("Whoever sends a byte a second is given up, its stream is reset, and it leaves the table", .timeLimit(.minutes(1)))
    func dripping() async throws {
        try await withWorld(seed: 40, everyLink: .latency(.milliseconds(20))) { world in
            let one = try await Self.join(world)
            let honest = try await Self.join(world, by: one.host)
            let clock = try one.dht.node().clock
            let isDripping = Mutex(false)
            let ends = Mutex<[StreamError.Code]>([])
            let slow = try await Self.liar(world, to: [one.host]) { stream, request in
                guard isDripping.withLock({ $0 }) else {
                    let known = KademliaContact(honest.host.peerID, at: honest.host.listenAddresses.map(\.withoutPeerID))
                    return try await stream.writeMessage(Self.answer(to: request, naming: [known]).encoded())
                }
                do throws(StreamError) {
                    // A mebibyte is never complete.
                    try await stream.write(bytes: [0x80, 0x80, 0x40])
                    while true {
                        await clock.sleep(for: .seconds(1))
                        try await stream.write(bytes: [0])
                    }
                } catch {
                    ends.withLock { $0.append(error.code) }
                    throw error
                }
            }
            try await world.run(for: .seconds(10))
            #expect(Set(one.dht.knownPeers) == [honest.host.peerID, slow.peerID])
            isDripping.withLock { $0 = true }
            let found = try await world.perform { try await one.dht.closestPeers(to: [1]) }
            #expect(found.peers.map(\.peer) == [honest.host.peerID])
            try await world.perform { try await one.dht.refresh() }
            #expect(one.dht.knownPeers == [honest.host.peerID])
            try await world.run(for: .seconds(5))
            #expect(ends.withLock { !$0.isEmpty && $0.allSatisfy { $0 == .reset } }, "\(ends.withLock { $0 })")
            #expect(KademliaConfiguration(Self.network).requestTimeout == .seconds(10))
        }
    }
}
