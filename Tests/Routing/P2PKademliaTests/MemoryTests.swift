import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import P2PTesting
import Testing

@testable import P2PKademlia

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

@Suite("What the table takes of the memory")
struct MemoryTests {
    private static func node(_ memory: HeldMemory? = nil) throws -> (KademliaNode, PeerConnection) {
        var configuration = KademliaConfiguration("/test/kad/1.0.0", mode: .server)
        configuration.namespaces["any"] = AnyValueValidator()
        let connection = try ConnectionInfo.sample(local: Fixture.key(1), remote: Fixture.key(2))
        let host = try LoopbackPeer(on: connection) { $0.reset() }
        let node = KademliaNode(
            configuration, ownPeer: connection.localPeer, host: host, networks: { LocalNetworks() }, memory: memory, logger: host.logger)
        node.setServer(true)
        return (node, host.peerConnection)
    }

    @Test("The host's memory is charged for what is kept, and gets it back")
    func charged() throws {
        let memory = HeldMemory(MemoryLimits(total: 64 << 20, perPeer: 8 << 20, allowed: 0))
        let before = memory.use
        do {
            let (node, _) = try Self.node(memory)
            for number in 0..<200 {
                node.offer(try Fixture.peer(number: number), at: [try Multiaddr("/ip4/127.0.0.1/tcp/\(number + 1)")])
            }
            let validator = AnyValueValidator()
            for number in 0..<100 {
                node.keep([UInt8](repeating: 1, count: 10_000), for: Array("/any/\(number)".utf8), isOwn: false, validator)
            }
            let held = node.statistics.heldBytes
            #expect(held > 1_000_000 && memory.use - before >= held, "\(held) of \(memory.use)")
            for peer in node.peers { node.remove(peer) }
            node.change { state in for number in 0..<100 { state.values.remove(Array("/any/\(number)".utf8)) } }
            #expect(node.statistics.heldBytes == 0 && memory.use - before <= 512 * 1_024)
        }
        #expect(memory.use == before)
    }

    @Test("What is kept for others is a part of the host's memory, and where that is short nothing more is")
    func short() async throws {
        let memory = HeldMemory(MemoryLimits(total: 1 << 20, perPeer: 1 << 20, allowed: 0))
        let (node, connection) = try Self.node(memory)
        let value = [UInt8](repeating: 1, count: 10_000)
        func put(_ number: Int) async -> StreamError.Code? {
            let key = Array("/any/\(number)".utf8)
            var request = KademliaMessage(.putValue, key: key)
            request.record = KademliaRecord(key: key, value: value)
            do {
                _ = try await node.answer(request, on: connection)
                return nil
            } catch {
                return error.code
            }
        }
        for number in 0..<50 { #expect(await put(number) == nil) }
        #expect(node.statistics.valueBytes <= memory.limits.total / KademliaLimits.memoryDivisor)
        let other = memory.account(for: try Fixture.peer(9), at: .empty)
        other.change(by: 600 * 1_024)
        #expect(memory.pressure >= .tight)
        #expect(await put(77) == .resourceLimit)
        var announcement = KademliaMessage(.addProvider, key: [1])
        announcement.providers = [KademliaContact(connection.remotePeer, at: [try Multiaddr("/ip4/127.0.0.1/tcp/9")])]
        _ = try await node.answer(announcement, on: connection)
        #expect(node.statistics.providers == 0)
        other.change(by: -600 * 1_024)
        other.trim()
        #expect(await put(77) == nil)
        _ = try await node.answer(announcement, on: connection)
        #expect(node.statistics.providers == 1)
    }

    #if os(Linux)
        /// Bytes of this process that are resident.
        private static func resident() throws -> Int {
            let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            return (Int(text.split(separator: " ")[1]) ?? 0) * 4_096
        }

        @Test("An idle node whose table has two hundred peers takes at most a hundred KiB, by what becomes resident")
        func idle() throws {
            let peers = try (0..<200).map { try Fixture.peer(number: $0) }
            let addresses = try (1...200).map { try Multiaddr("/ip4/127.0.0.1/tcp/\($0)") }
            func make() throws -> KademliaNode {
                let (node, _) = try Self.node()
                // Twenty in each of ten buckets, wherever they are.
                node.change { state in
                    for (number, peer) in peers.enumerated() {
                        let point = node.ownPoint.flippingBit(number % 10)
                        state.table.offer(peer, at: [addresses[number]], point: point, now: Fixture.start)
                    }
                }
                return node
            }
            let warm = try (0..<50).map { _ in try make() }
            let count = 500
            let before = try Self.resident()
            let nodes = try (0..<count).map { _ in try make() }
            let each = (try Self.resident() - before) / count
            #expect((nodes + warm).allSatisfy { $0.statistics.peers == 200 })
            print("memory: an idle node with 200 entries takes \(each) bytes")
            #expect(each <= 100 * 1_024, "\(each) bytes")
        }
    #endif
}
