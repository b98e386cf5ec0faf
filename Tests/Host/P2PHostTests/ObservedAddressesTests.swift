import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PHost

@Suite("Observed addresses")
struct ObservedAddressesTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000)
    private let address = Multiaddr(ip: .init(v4: 0x0102_0304), tcp: 4_001)

    private func observe(
        _ observed: inout ObservedAddresses, _ address: Multiaddr, by observer: String, on connection: ConnectionID = ConnectionID(),
        at now: NIODeadline? = nil
    ) throws -> Bool {
        observed.observe(address, by: try Multiaddr(observer), on: connection, at: now ?? self.start)
    }

    @Test("An address is announced once enough peers at different addresses have seen it")
    func confirmed() throws {
        var observed = ObservedAddresses(observersNeeded: 3)
        #expect(try !self.observe(&observed, self.address, by: "/ip4/1.1.1.1/tcp/1"))
        #expect(try !self.observe(&observed, self.address, by: "/ip4/1.1.1.1/tcp/2"))
        #expect(try !self.observe(&observed, self.address, by: "/ip4/1.1.2.1/tcp/1"))
        #expect(observed.confirmed.isEmpty)
        #expect(try self.observe(&observed, self.address, by: "/ip4/1.1.3.1/tcp/1"))
        #expect(try !self.observe(&observed, self.address, by: "/ip4/1.1.4.1/tcp/1"))
        #expect(observed.confirmed == [self.address])
        #expect(try !self.observe(&observed, Multiaddr(ip: .loopbackV4, tcp: 1), by: "/ip4/1.1.1.1/tcp/1"))
        #expect(observed.count == 1)
    }

    @Test("Nobody is found at port 0, however many say so", arguments: ["tcp/0", "udp/0/quic-v1", "tcp/0/ws"])
    func noPort(part: String) throws {
        var observed = ObservedAddresses(observersNeeded: 2)
        for number in 1...20 {
            #expect(try !self.observe(&observed, Multiaddr("/ip4/1.2.3.4/\(part)"), by: "/ip4/1.\(number).1.1/tcp/1"))
        }
        #expect(observed.confirmed.isEmpty && observed.count == 0)
    }

    @Test("A whole IPv6 /64 is one observer, and loopback is none")
    func networks() throws {
        var observed = ObservedAddresses(observersNeeded: 2)
        for host in 1...20 { #expect(try !self.observe(&observed, self.address, by: "/ip6/2001:db8:0:1::\(host)/tcp/1")) }
        for host in 1...20 { #expect(try !self.observe(&observed, self.address, by: "/ip4/127.0.0.\(host)/tcp/1")) }
        #expect(observed.confirmed.isEmpty)
        #expect(try self.observe(&observed, self.address, by: "/ip6/2001:db8:1::1/tcp/1"))
        #expect(observed.confirmed == [self.address])
    }

    @Test("A thousand peers of one network confirm nothing, and make room for those of others", arguments: [true, false])
    func oneNetwork(isIPv4: Bool) throws {
        var observed = ObservedAddresses(observersNeeded: 4)
        for number in 1...1_000 {
            let ip = try #require(IPAddress(isIPv4 ? "1.1.1.\(number % 250)" : "2001:db8:0:\(number)::1"))
            let foreign = Multiaddr(ip: .init(v4: 0x0808_0808), tcp: UInt16(1 + number % 100))
            #expect(try !self.observe(&observed, foreign, by: Multiaddr(ip: ip, tcp: 1).description))
        }
        #expect(observed.confirmed.isEmpty && observed.count <= ObservedAddresses.limit)
        for host in 1...4 { _ = try self.observe(&observed, self.address, by: "/ip4/1.2.\(host).1/tcp/1") }
        #expect(observed.confirmed == [self.address])
    }

    @Test("What peers have seen is forgotten after 40 minutes, unless their connections still live")
    func expires() throws {
        var observed = ObservedAddresses(observersNeeded: 2)
        let connections = [ConnectionID(), ConnectionID()]
        for (index, connection) in connections.enumerated() {
            _ = try self.observe(&observed, self.address, by: "/ip4/1.1.\(index).1/tcp/1", on: connection)
        }
        let due = self.start + .minutes(40)
        #expect(observed.expire(at: due - .nanoseconds(1)) { _ in false } == false)
        #expect(observed.expire(at: due) { connections.contains($0) } == false)
        #expect(observed.confirmed == [self.address])
        // The word of the peer that is gone is lost, and the other's alone is not enough.
        #expect(observed.expire(at: due + .minutes(40)) { $0 == connections[0] })
        #expect(observed.confirmed.isEmpty)
        #expect(observed.count == 1)
        #expect(observed.expire(at: due + .minutes(80)) { _ in false } == false)
        #expect(observed.count == 0)
    }

    @Test("Seeing it again prolongs an observation")
    func prolonged() throws {
        var observed = ObservedAddresses(observersNeeded: 1)
        #expect(try self.observe(&observed, self.address, by: "/ip4/1.1.1.1/tcp/1"))
        #expect(try !self.observe(&observed, self.address, by: "/ip4/1.1.1.1/tcp/1", at: self.start + .minutes(30)))
        #expect(observed.expire(at: self.start + .minutes(69)) { _ in false } == false)
        #expect(observed.confirmed == [self.address])
        #expect(observed.expire(at: self.start + .minutes(70)) { _ in false })
    }

    @Test("Of each IP family a handful is confirmed, the strongest")
    func strongest() throws {
        var observed = ObservedAddresses(observersNeeded: 2)
        let six = Multiaddr("/ip6/2001:db8::1/tcp/4001")
        for host in 1...2 { _ = try self.observe(&observed, six, by: "/ip4/1.1.\(host).1/tcp/1") }
        for host in 1...5 { _ = try self.observe(&observed, self.address, by: "/ip4/1.1.\(host).1/tcp/1") }
        for port in 1...40 {
            let bogus = Multiaddr(ip: .init(v4: 0x0102_0304), tcp: UInt16(port))
            for host in 1...3 { _ = try self.observe(&observed, bogus, by: "/ip4/9.1.\(host).1/tcp/1") }
        }
        #expect(observed.confirmed.count == ObservedAddresses.confirmedLimit + 1)
        #expect(observed.confirmed.contains(self.address))
        #expect(observed.confirmed.contains(six))
    }

    @Test("The tally is bounded, and keeps what is confirmed")
    func bounded() throws {
        var observed = ObservedAddresses(observersNeeded: 2)
        for host in 1...2 { _ = try self.observe(&observed, self.address, by: "/ip4/1.1.\(host).1/tcp/1") }
        for port in 1...1_000 {
            _ = try self.observe(&observed, Multiaddr(ip: .init(v4: 0x0102_0304), tcp: UInt16(port)), by: "/ip4/1.1.1.1/tcp/1")
        }
        #expect(observed.count == ObservedAddresses.limit)
        #expect(observed.confirmed == [self.address])
    }

    // MARK: Who may be believed

    private static let listening = [
        "/ip4/10.0.0.5/tcp/4001", "/ip4/10.0.0.5/tcp/4001/ws", "/ip4/10.0.0.5/udp/4001/quic-v1", "/ip6/fd00::5/tcp/4001",
    ]
    private static let relay = "/ip4/9.9.9.9/tcp/1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA/p2p-circuit"

    @Test(
        "A dialled peer's word counts if the dial came from where this node listens",
        arguments: [
            // role, our end, the peer's end, where it says that it sees us, whether that counts
            (.listener, "/ip4/10.0.0.5/tcp/4001", "/ip4/9.9.9.9/tcp/50000", "/ip4/1.2.3.4/tcp/4001", true),
            // Behind an address that has just come, of which no listener knows yet.
            (.listener, "/ip4/10.0.0.6/tcp/4001", "/ip4/9.9.9.9/tcp/50000", "/ip4/1.2.3.4/tcp/4001", true),
            // An ephemeral port.
            (.dialer, "/ip4/10.0.0.5/tcp/51234", "/ip4/9.9.9.9/tcp/4001", "/ip4/1.2.3.4/tcp/51234", false),
            // TCP with port reuse, a WebSocket over it, QUIC.
            (.dialer, "/ip4/10.0.0.5/tcp/4001", "/ip4/9.9.9.9/tcp/4001", "/ip4/1.2.3.4/tcp/61000", true),
            (.dialer, "/ip4/10.0.0.5/tcp/4001/ws", "/ip4/9.9.9.9/tcp/80/ws", "/ip4/1.2.3.4/tcp/61000/ws", true),
            (.dialer, "/ip4/10.0.0.5/udp/4001/quic-v1", "/ip4/9.9.9.9/udp/4001/quic-v1", "/ip4/1.2.3.4/udp/61000/quic-v1", true),
            (.dialer, "/ip6/fd00::5/tcp/4001", "/ip6/2001:db8::1/tcp/4001", "/ip6/2001:db8::5/tcp/4001", true),
            // The port alone says nothing.
            (.dialer, "/ip4/10.0.0.6/tcp/4001", "/ip4/9.9.9.9/tcp/4001", "/ip4/1.2.3.4/tcp/4001", false),
            (.dialer, "/ip6/fd00::5/udp/4001/quic-v1", "/ip6/2001:db8::1/udp/4001/quic-v1", "/ip6/2001:db8::5/udp/4001/quic-v1", false),
            // Another protocol than the connection's.
            (.dialer, "/ip4/10.0.0.5/udp/4001/quic-v1", "/ip4/9.9.9.9/udp/4001/quic-v1", "/ip4/1.2.3.4/tcp/4001", false),
            (.listener, "/ip4/10.0.0.5/tcp/4001", "/ip4/9.9.9.9/tcp/50000", "/ip4/1.2.3.4/udp/4001/quic-v1", false),
            // Through a relay.
            (.listener, "/ip4/10.0.0.5/tcp/4001", Self.relay, "/ip4/1.2.3.4/tcp/4001", false),
            (.listener, "/ip4/10.0.0.5/tcp/4001", "/ip4/9.9.9.9/tcp/50000", Self.relay, false),
            // No socket at all.
            (.listener, "/memory/a", "/memory/b", "/ip4/1.2.3.4/tcp/4001", false),
            (.listener, "/ip4/10.0.0.5/tcp/4001", "/ip4/9.9.9.9/tcp/50000", "/dns4/example.org/tcp/4001", false),
        ] as [(ConnectionRole, String, String, String, Bool)])
    func believed(role: ConnectionRole, local: String, remote: String, observed: String, counts: Bool) throws {
        for isLimited in [false, true] {
            let connection = try Self.connection(role, from: local, to: remote, isLimited: isLimited)
            let isBelieved = ObservedAddresses.counts(
                try Multiaddr(observed), on: connection, listening: try Self.listening.map { try Multiaddr($0) })
            #expect(isBelieved == (counts && !isLimited))
        }
    }

    @Test("Whoever dialled and took the listener's part in the handshakes is a dialer still")
    func reversedRole() throws {
        let (own, other) = (try PrivateKey.generate(.ed25519).publicKey, try PrivateKey.generate(.ed25519).publicKey)
        for isDialled in [true, false] {
            let connection = ConnectionInfo(
                role: .listener, localPeer: PeerID(own), remotePeer: PeerID(other), remoteKey: other,
                localAddress: try Multiaddr("/ip4/10.0.0.2/tcp/50000"), remoteAddress: try Multiaddr("/ip4/1.2.3.4/tcp/4001"),
                security: "/fake", muxer: "/fake-muxer", isDialled: isDialled)
            #expect(
                ObservedAddresses.counts(
                    try Multiaddr("/ip4/5.6.7.8/tcp/50000"), on: connection, listening: [try Multiaddr("/ip4/10.0.0.2/tcp/4001")])
                    == !isDialled)
            #expect(connection.description.contains(isDialled ? " to " : " from "))
        }
    }

    private static func connection(_ role: ConnectionRole, from local: String, to remote: String, isLimited: Bool) throws -> ConnectionInfo
    {
        let (own, other) = (try PrivateKey.generate(.ed25519).publicKey, try PrivateKey.generate(.ed25519).publicKey)
        return ConnectionInfo(
            role: role, localPeer: PeerID(own), remotePeer: PeerID(other), remoteKey: other, localAddress: try Multiaddr(local),
            remoteAddress: try Multiaddr(remote), security: "/fake", muxer: "/fake-muxer", isLimited: isLimited)
    }
}
