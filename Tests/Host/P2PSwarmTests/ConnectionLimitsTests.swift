import P2PCore
import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PSwarm

@Suite("Connection limits")
struct ConnectionLimitsTests {
    /// Carries reservations across tasks, as the settled rule wants it.
    private final class Held: Sendable {
        private let reservation: Mutex<Reservation?>

        init(_ reservation: consuming Reservation) {
            self.reservation = Mutex(reservation)
        }

        func release() {
            self.reservation.withLock { $0 = nil }
        }
    }

    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("Each limit is exact, names itself, and frees what is given back")
    func pending() throws {
        var configuration = ResourceLimits()
        configuration.pendingInbound = 3
        let limits = ConnectionLimits(configuration)
        let address = Multiaddr("/ip4/127.0.0.1/tcp/1")
        let held = try (0..<3).map { _ in Held(try limits.reservePending(from: address)) }
        let error = #expect(throws: LimitError.self) { _ = try limits.reservePending(from: address) }
        #expect(error == LimitError(limit: "pendingInbound", value: 3))
        #expect(limits.counts.pendingInbound == 3)
        held[0].release()
        held[0].release()
        #expect(limits.counts.pendingInbound == 2)
        _ = try limits.reservePending(from: address)
        for one in held { one.release() }
        #expect(limits.counts == ConnectionLimits.Counts())
    }

    @Test("Connections are limited in all, per peer and per address; loopback shares no address")
    func connections() throws {
        var configuration = ResourceLimits()
        configuration.connections = 4
        configuration.connectionsPerPeer = 2
        configuration.connectionsPerAddress = 1
        let limits = ConnectionLimits(configuration)
        let peer = try self.peer()
        let near = Multiaddr("/ip4/127.0.0.1/tcp/1")
        let far = Multiaddr("/ip4/1.2.3.4/tcp/1")
        var held = [Held(try limits.reserveConnection(to: peer, at: near, role: .dialer))]
        held.append(Held(try limits.reserveConnection(to: peer, at: far, role: .listener)))
        #expect(throws: LimitError(limit: "connectionsPerPeer", value: 2)) {
            _ = try limits.reserveConnection(to: peer, at: near, role: .dialer)
        }
        let other = try self.peer()
        #expect(throws: LimitError(limit: "connectionsPerAddress", value: 1)) {
            _ = try limits.reserveConnection(to: other, at: Multiaddr("/ip4/1.2.3.4/tcp/2"), role: .dialer)
        }
        for _ in 0..<2 { held.append(Held(try limits.reserveConnection(to: try self.peer(), at: near, role: .dialer))) }
        #expect(throws: LimitError(limit: "connections", value: 4)) {
            _ = try limits.reserveConnection(to: other, at: near, role: .dialer)
        }
        #expect(limits.counts.connections == 4)
        for one in held { one.release() }
        #expect(limits.counts == ConnectionLimits.Counts())
        #expect(limits.trackedKeys == 0)
    }

    @Test("An IPv6 network of 64 bits counts as one address")
    func networks() throws {
        var configuration = ResourceLimits()
        configuration.pendingInboundPerAddress = 1
        let limits = ConnectionLimits(configuration)
        let held = Held(try limits.reservePending(from: Multiaddr("/ip6/2a00:1:2:3::1/tcp/1")))
        #expect(throws: LimitError(limit: "pendingInboundPerAddress", value: 1)) {
            _ = try limits.reservePending(from: Multiaddr("/ip6/2a00:1:2:3:ffff::2/tcp/1"))
        }
        _ = try limits.reservePending(from: Multiaddr("/ip6/2a00:1:2:4::1/tcp/1"))
        held.release()
        #expect(limits.trackedKeys == 0)
    }

    @Test("Streams are limited per peer and protocol, and per peer in all")
    func streams() throws {
        var configuration = ResourceLimits()
        configuration.inboundStreamsPerPeer = 3
        let limits = ConnectionLimits(configuration)
        let peer = try self.peer()
        let connection = Held(try limits.reserveConnection(to: peer, at: Multiaddr("/ip4/127.0.0.1/tcp/1"), role: .listener))
        var held = try (0..<2).map { _ in Held(try limits.reserveStream(of: "/ping", from: peer, limit: 2)) }
        #expect(throws: LimitError(limit: "inboundPerPeer of /ping", value: 2)) {
            _ = try limits.reserveStream(of: "/ping", from: peer, limit: 2)
        }
        held.append(Held(try limits.reserveStream(of: "/echo", from: peer, limit: 2)))
        #expect(throws: LimitError(limit: "inboundStreamsPerPeer", value: 3)) {
            _ = try limits.reserveStream(of: "/echo", from: peer, limit: 2)
        }
        connection.release()
        #expect(limits.counts.inboundStreams == 3)
        for one in held { one.release() }
        #expect(limits.counts == ConnectionLimits.Counts())
        #expect(limits.trackedKeys == 0)
    }

    @Test("Counts are zero again after many tasks have reserved and released")
    func concurrency() async throws {
        let limits = ConnectionLimits()
        let peers = try (0..<4).map { _ in try self.peer() }
        let address = Multiaddr("/ip4/1.2.3.4/tcp/1")
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<64 {
                group.addTask {
                    for _ in 0..<50 {
                        let peer = peers[index % peers.count]
                        let pending = try? Held(limits.reservePending(from: address))
                        let connection = try? Held(limits.reserveConnection(to: peer, at: address, role: .listener))
                        let stream = try? Held(limits.reserveStream(of: "/ping", from: peer, limit: 3))
                        await Task.yield()
                        pending?.release()
                        connection?.release()
                        stream?.release()
                    }
                }
            }
        }
        #expect(limits.counts == ConnectionLimits.Counts())
        #expect(limits.trackedKeys == 0)
    }
}
