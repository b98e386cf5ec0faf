import P2P
import P2PProtocolTesting
import P2PSwarm
import Synchronization
import Testing

@Suite("Known peers as a source of peers", .timeLimit(.minutes(1)))
struct KnownPeersTests {
    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("Who was merely heard of lately comes after those who were connected since")
    func order() async throws {
        let date = Atomic<Int64>(1_700_000_000)
        let store = MemoryPeerstore(clock: .system) { date.load(ordering: .relaxed) }
        let address = Multiaddr(ip: .loopbackV4, tcp: 1)
        let peers = try (0..<5).map { _ in try self.peer() }
        for peer in peers {
            await store.saw(peer)
            date.wrappingAdd(1, ordering: .relaxed)
        }
        for peer in peers.shuffled() { await store.add([address], of: peer, source: .discovery, timeToLive: .seconds(60)) }
        let host = try LoopbackPeer { $0.reset() }
        let running = Task { try await KnownPeersDiscovery(store).run(on: host) }
        var found: [PeerID] = []
        for await report in host.found {
            found.append(report.peer)
            if found.count == peers.count { break }
        }
        #expect(found == peers.reversed())
        running.cancel()
        try await running.value
    }

    @Test("Those that were connected before are reported once, the last first, and no more than the limit")
    func reporting() async throws {
        let store = MemoryPeerstore()
        let address = Multiaddr(ip: .loopbackV4, tcp: 1)
        var met: [PeerID] = []
        for number in 0..<(KnownPeersDiscovery.limit + 20) {
            let peer = try self.peer()
            await store.add([address], of: peer, source: .discovery, timeToLive: .seconds(60))
            guard number % 10 != 0 else { continue }
            await store.saw(peer)
            met.append(peer)
        }
        let gone = try self.peer()
        await store.saw(gone)
        let host = try LoopbackPeer { $0.reset() }
        let running = Task { try await KnownPeersDiscovery(store).run(on: host) }
        var found: [PeerID] = []
        for await report in host.found {
            #expect(report.addresses == [address])
            found.append(report.peer)
            if found.count == KnownPeersDiscovery.limit { break }
        }
        #expect(found == Array(met.reversed().prefix(KnownPeersDiscovery.limit)))
        running.cancel()
        try await running.value
    }

    @Test("One that was connected since and is lost is reported again, unless this node wanted it, or it is there still")
    func lost() async throws {
        let store = MemoryPeerstore()
        let address = Multiaddr(ip: .loopbackV4, tcp: 1)
        let host = try LoopbackPeer { $0.reset() }
        let connections = try (0..<3).map { _ in try ConnectionInfo.sample() } + [host.peerConnection.info]
        for connection in connections {
            await store.add([address], of: connection.remotePeer, source: .connected, timeToLive: .seconds(60))
            await store.saw(connection.remotePeer)
        }
        let stranger = try ConnectionInfo.sample()
        let running = Task { try await KnownPeersDiscovery(store).run(on: host) }
        var reports = host.found.makeAsyncIterator()
        for _ in connections { _ = await reports.next() }
        func end(_ connection: ConnectionInfo, _ code: ConnectionError.Code) {
            host.bus.post(.disconnected(connection, reason: ConnectionError(code, "a test")))
        }
        // Never connected since, wanted by this node, unknown, and connected by another way still.
        end(connections[0], .lost)
        for connection in connections.dropFirst() + [stranger] { host.bus.post(.connected(connection)) }
        end(connections[1], .closed)
        end(stranger, .lost)
        end(connections[3], .lost)
        end(connections[2], .closedByPeer)
        #expect(await reports.next()?.peer == connections[2].remotePeer)
        running.cancel()
        try await running.value
    }
}
