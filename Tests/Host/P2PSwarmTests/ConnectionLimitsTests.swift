import NIOCore
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
        private let place: Mutex<PendingPlace?>
        private let loss: PlaceLoss?

        init(_ reservation: consuming Reservation) {
            self.reservation = Mutex(reservation)
            self.place = Mutex(nil)
            self.loss = nil
        }

        init(_ place: consuming PendingPlace) {
            self.reservation = Mutex(nil)
            self.loss = place.loss
            self.place = Mutex(place)
        }

        /// The limit for whose sake a place was lost.
        var lostTo: LimitError? { self.loss?.reason }

        func release() {
            self.reservation.withLock { $0 = nil }
            self.place.withLock { $0 = nil }
        }
    }

    private func place(_ limits: ConnectionLimits, _ address: Multiaddr, at milliseconds: Int64 = 0) throws -> Held {
        Held(try limits.reservePending(from: address, progress: nil, at: .uptimeNanoseconds(0) + .milliseconds(milliseconds)))
    }

    private func peer() throws -> PeerID { PeerID(try PrivateKey.generate(.ed25519).publicKey) }

    @Test("The pending limit is exact, names itself to who makes room, and frees what is given back")
    func pending() throws {
        var configuration = ResourceLimits()
        configuration.pendingInbound = 3
        let limits = ConnectionLimits(configuration)
        let address = Multiaddr("/ip4/127.0.0.1/tcp/1")
        let held = try (0..<4).map { try self.place(limits, address, at: $0) }
        #expect(held.map(\.lostTo) == [LimitError(limit: "pendingInbound", value: 3), nil, nil, nil])
        #expect(limits.counts.pendingInbound == 3)
        // What was lost is not given back a second time.
        held[0].release()
        #expect(limits.counts.pendingInbound == 3)
        held[1].release()
        held[1].release()
        #expect(limits.counts.pendingInbound == 2)
        _ = try limits.reservePending(from: address, progress: nil, at: .uptimeNanoseconds(0))
        #expect(limits.counts.pendingInbound == 2)
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
        let held = [
            try self.place(limits, "/ip6/2a00:1:2:3::1/tcp/1"), try self.place(limits, "/ip6/2a00:1:2:4::1/tcp/1"),
            try self.place(limits, "/ip6/2a00:1:2:3:ffff::2/tcp/1"),
        ]
        #expect(held.map(\.lostTo) == [LimitError(limit: "pendingInboundPerAddress", value: 1), nil, nil])
        for one in held { one.release() }
        #expect(limits.trackedKeys == 0)
    }

    @Test("Those who are allowed have places of their own: pending ones that nobody takes, and connections beside all others")
    func allowed() throws {
        var configuration = ResourceLimits()
        (configuration.pendingInbound, configuration.pendingInboundAllowed) = (2, 1)
        (configuration.connections, configuration.connectionsPerAddress, configuration.connectionsAllowed) = (1, 1, 2)
        let limits = ConnectionLimits(configuration, known: KnownNetworks(allowed: [try #require(IPNetwork("10.1.0.0/16"))]))
        let (friend, other): (Multiaddr, Multiaddr) = ("/ip4/10.1.2.3/tcp/1", "/ip4/10.2.2.3/tcp/1")
        var held = [try self.place(limits, friend), try self.place(limits, other, at: 1), try self.place(limits, other, at: 2)]
        for time in 3..<10 { held.append(try self.place(limits, other, at: Int64(time))) }
        #expect(held[0].lostTo == nil && held[1].lostTo != nil)
        #expect(limits.counts.pendingInbound == 3)
        // Beyond their places they are like others.
        held.append(try self.place(limits, friend, at: 10))
        held.append(try self.place(limits, other, at: 11))
        #expect(limits.counts.pendingInbound == 3)

        held.append(Held(try limits.reserveConnection(to: try self.peer(), at: other, role: .listener)))
        #expect(throws: LimitError(limit: "connections", value: 1)) {
            _ = try limits.reserveConnection(to: try self.peer(), at: "/ip4/10.3.0.1/tcp/1", role: .listener)
        }
        for _ in 0..<2 { held.append(Held(try limits.reserveConnection(to: try self.peer(), at: friend, role: .listener))) }
        #expect(throws: LimitError(limit: "connections", value: 1)) {
            _ = try limits.reserveConnection(to: try self.peer(), at: friend, role: .listener)
        }
        for one in held { one.release() }
        #expect(limits.counts == ConnectionLimits.Counts())
        #expect(limits.trackedKeys == 0)
    }

    @Test("A peer on the list has these places wherever it comes from, and no stranger takes them")
    func allowedPeers() throws {
        var configuration = ResourceLimits()
        (configuration.connections, configuration.connectionsPerAddress, configuration.connectionsAllowed) = (1, 1, 1)
        let (friend, address): (PeerID, Multiaddr) = (try self.peer(), "/ip4/192.0.2.1/tcp/1")
        let limits = ConnectionLimits(configuration, known: KnownNetworks(allowedPeers: [friend]))
        let stranger = Held(try limits.reserveConnection(to: try self.peer(), at: address, role: .listener))
        #expect(throws: LimitError(limit: "connections", value: 1)) {
            _ = try limits.reserveConnection(to: try self.peer(), at: "/ip4/192.0.3.1/tcp/1", role: .listener)
        }
        let kept = Held(try limits.reserveConnection(to: friend, at: address, role: .listener))
        #expect(limits.ordinaryConnections == 1 && limits.counts.connections == 2)
        stranger.release()
        kept.release()
        #expect(limits.counts == ConnectionLimits.Counts() && limits.trackedKeys == 0)
    }

    @Test("A refusal says whose limit it is, and what counts for it")
    func refusals() throws {
        var configuration = ResourceLimits()
        configuration.connectionsPerPeer = 1
        let limits = ConnectionLimits(configuration)
        let peer = try self.peer()
        let held = Held(try limits.reserveConnection(to: peer, at: "/ip4/192.0.2.1/tcp/1", role: .listener))
        do throws(LimitError) {
            _ = try limits.reserveConnection(to: peer, at: "/ip4/192.0.2.1/tcp/1", role: .listener)
            Issue.record("it was not refused")
        } catch {
            #expect(error.scope == .peer(peer) && error.use == 1)
            #expect("\(error)" == "the limit connectionsPerPeer of 1 is reached: 1 in use by the peer \(peer)")
        }
        held.release()
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

    @Test("When there are as many tasks as may be, whoever has as many streams as the average opens no more, and others do")
    func tasks() throws {
        var configuration = ResourceLimits()
        configuration.tasks = 6
        let limits = ConnectionLimits(configuration)
        let (heavy, light, new) = (try self.peer(), try self.peer(), try self.peer())
        var held = try (0..<5).map { _ in Held(try limits.reserveStream(of: "/ping", from: heavy, limit: 100)) }
        held.append(Held(try limits.reserveStream(of: "/ping", from: light, limit: 100)))
        let refusal = #expect(throws: LimitError.self) { _ = try limits.reserveStream(of: "/ping", from: heavy, limit: 100) }
        #expect(refusal == LimitError(limit: "tasks", value: 6) && refusal?.use == 6)
        #expect(throws: LimitError(limit: "tasks", value: 6)) { _ = try limits.reserveStream(of: "/echo", from: heavy, limit: 100) }
        held.append(Held(try limits.reserveStream(of: "/echo", from: light, limit: 100)))
        held.append(Held(try limits.reserveStream(of: "/ping", from: new, limit: 100)))
        let use = try #require(limits.uses.first { $0.name == "tasks" })
        #expect((use.limit, use.use, use.peak, use.refusals) == (6, 8, 8, 2))
        for one in held { one.release() }
        _ = try limits.reserveStream(of: "/ping", from: heavy, limit: 100)
        #expect(limits.counts == ConnectionLimits.Counts())
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
                        let pending = try? Held(limits.reservePending(from: address, progress: ArrivalProgress(), at: .now()))
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
