import Logging
import NIOCore
import NIOPosix
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PHost
@testable import P2PSwarm

@Suite("What a stranger can learn and steer by addresses", .timeLimit(.minutes(1)))
struct ScopesOfAddressesTests {
    private let world = FakeWorld()
    private static let own: Multiaddr = "/ip4/192.168.1.7/tcp/4001"

    /// Whatever anybody might tell.
    private static let everything: [Multiaddr] = [
        "/ip4/127.0.0.1/tcp/22", "/ip6/::1/tcp/22", "/ip6/::ffff:127.0.0.1/tcp/22", "/ip4/0.0.0.0/tcp/22", "/ip4/192.168.1.1/tcp/80",
        "/ip4/10.0.0.1/tcp/80", "/ip4/169.254.169.254/tcp/80", "/unix/run/docker.sock", "/memory/x", "/dns4/localhost/tcp/22",
        "/ip6zone/eth0/ip6/fe80::1/tcp/1", "/ip4/1.2.3.4/tcp/4001", "/dns4/example.org/tcp/4001",
    ]

    private func peers(_ store: any Peerstore, _ peer: PeerID) async -> Set<Multiaddr> { Set(await store.addresses(of: peer)) }

    @Test("A peer on the internet is told, and believed, the internet's addresses alone")
    func internet() async throws {
        let far: Multiaddr = "/ip4/8.8.8.8/tcp/4001"
        let (a, b) = (try self.world.host(from: "/ip4/9.9.9.9/tcp/50000"), try self.world.host(from: Self.own))
        for address in [far, "/ip4/127.0.0.1/tcp/4001", "/ip4/10.0.0.5/tcp/4001"] as [Multiaddr] { _ = try await b.listen(on: address) }
        let events = a.events()
        try await self.world.run(a, b) {
            let connection = try await a.connect(to: far.withPeerID(b.peerID))
            while b.connections().isEmpty { await Task.yield() }
            let told = await b.introductions.introduction(to: b.connections()[0].info)
            #expect(told.listenAddresses == [far])
            let record = try PeerRecord.open(try #require(told.signedRecord), from: b.peerID)
            #expect(record.addresses == [far.bytes])
            await a.introductions.introduced(Introduction(listenAddresses: Self.everything), on: connection.info)
            let kept: Set<Multiaddr> = ["/ip4/8.8.8.8/tcp/4001", "/ip4/1.2.3.4/tcp/4001", "/dns4/example.org/tcp/4001"]
            #expect(await self.peers(a.peerstore, b.peerID) == kept)
            #expect(await a.peerstore.introduction(of: b.peerID)?.listenAddresses.count == 2)
            for await event in events {
                guard case .identified(_, let introduction) = event else { continue }
                #expect(introduction.listenAddresses == ["/ip4/1.2.3.4/tcp/4001", "/dns4/example.org/tcp/4001"])
                break
            }
        }
    }

    @Test("A peer in the same network is told and believed that network's, one on this machine the machine's")
    func networks() async throws {
        let near: Multiaddr = "/ip4/192.168.1.9/tcp/4001"
        let (a, b) = (try self.world.host(from: Self.own), try self.world.host())
        for address in [near, "/ip4/127.0.0.1/tcp/4001", "/ip4/10.0.0.5/tcp/4001", "/ip4/8.8.8.8/tcp/4001"] as [Multiaddr] {
            _ = try await b.listen(on: address)
        }
        let c = try self.world.host()
        try await self.world.run(a, b, c) {
            let connection = try await a.connect(to: near.withPeerID(b.peerID))
            while b.connections().isEmpty { await Task.yield() }
            let told = await b.introductions.introduction(to: b.connections()[0].info)
            #expect(told.listenAddresses == [near, "/ip4/8.8.8.8/tcp/4001"])
            await a.introductions.introduced(Introduction(listenAddresses: Self.everything), on: connection.info)
            let kept: Set<Multiaddr> = [near, "/ip4/192.168.1.1/tcp/80", "/ip4/1.2.3.4/tcp/4001", "/dns4/example.org/tcp/4001"]
            #expect(await self.peers(a.peerstore, b.peerID) == kept)

            let beside = try await c.connect(to: Multiaddr(ip: .loopbackV4, tcp: 4_001).withPeerID(b.peerID))
            while b.connections().count < 2 { await Task.yield() }
            let all = await b.introductions.introduction(to: b.connections()[1].info)
            #expect(all.listenAddresses.count == 4)
            // One node, one sequence number, so that nobody takes the one for an older one.
            let (one, other) = (
                try PeerRecord.open(try #require(told.signedRecord)), try PeerRecord.open(try #require(all.signedRecord))
            )
            #expect(one.sequence == other.sequence && one.addresses.count == 2 && other.addresses.count == 4)
            await c.introductions.introduced(Introduction(listenAddresses: Self.everything), on: beside.info)
            let seen = await self.peers(c.peerstore, b.peerID)
            #expect(seen.isSuperset(of: ["/ip4/127.0.0.1/tcp/22", "/unix/run/docker.sock", "/memory/x", "/dns4/localhost/tcp/22"]))
            #expect(seen.isDisjoint(with: ["/ip4/10.0.0.1/tcp/80", "/ip4/0.0.0.0/tcp/22", "/ip6zone/eth0/ip6/fe80::1/tcp/1"]))
        }
    }

    @Test("What a peer told in one network outlasts that it tells less in another")
    func elsewhere() async throws {
        let (near, far): (Multiaddr, Multiaddr) = ("/ip4/192.168.1.9/tcp/4001", "/ip4/8.8.8.8/tcp/4001")
        let (a, b) = (try self.world.host(from: Self.own), try self.world.host())
        _ = try await a.listen(on: Self.own)
        for address in [near, far] { _ = try await b.listen(on: address) }
        try await self.world.run(a, b) {
            let first = try await a.connect(to: near.withPeerID(b.peerID))
            let told: [Multiaddr] = ["/ip4/192.168.1.10/tcp/1", "/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2"]
            await a.introductions.introduced(Introduction(listenAddresses: told), on: first.info)
            var request = DialRequest(addresses: [far])
            request.forcesNew = true
            let second = try await a.connect(to: b.peerID, request)
            await a.introductions.introduced(Introduction(listenAddresses: Array(told.prefix(2))), on: second.info)
            #expect(await self.peers(a.peerstore, b.peerID) == [near, far, told[0], told[1]])
            await a.introductions.introduced(Introduction(listenAddresses: [told[1]]), on: first.info)
            #expect(await self.peers(a.peerstore, b.peerID) == [near, far, told[1]])
        }
    }

    @Test("A store that was filled elsewhere, or by a stranger, leads to nothing that does not hold here; what is given by hand is dialled")
    func dialled() async throws {
        let store = MemoryPeerstore(clock: self.world.clock.clock)
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        var change = PeerChange(of: peer)
        let entries: [(Multiaddr, AddressSource, String?)] = [
            ("/ip4/127.0.0.1/tcp/22", .certified, "internet"), ("/ip4/192.168.7.1/tcp/80", .identify, "192.168.7.0/24"),
            ("/ip4/192.168.7.2/tcp/80", .connected, "192.168.7.0/24"), ("/ip4/0.0.0.0/tcp/80", .discovery, nil),
            ("/ip4/1.2.3.4/tcp/1", .identify, "internet"), ("/ip4/172.31.255.1/tcp/80", .given, nil),
        ]
        for (address, source, origin) in entries {
            change.add(KnownAddress(address, source: source, origin: origin.map { AddressOrigin(rawValue: $0) }), timeToLive: .seconds(600))
            self.world.network.set(.refuse(TransportError(.unreachable, "nobody is there")), at: address)
        }
        await store.apply([change])
        let a = try self.world.host(peerstore: store)
        try await self.world.run(a) {
            await self.world.clock.passing {
                let error = await #expect(throws: DialError(.allAddressesFailed, "")) { try await a.connect(to: peer) }
                #expect(error?.attempts.count == entries.count)
                #expect(error?.description.contains("another network") == true)
            }
            #expect(Set(self.world.network.dialled) == ["/ip4/1.2.3.4/tcp/1", "/ip4/172.31.255.1/tcp/80"])
            await self.world.clock.passing {
                _ = try? await a.connect(to: peer, at: ["/ip4/127.0.0.1/tcp/22", "/ip4/192.168.7.1/tcp/80"])
            }
            #expect(
                self.world.network.dialled.suffix(2).sorted { "\($0)" < "\($1)" } == ["/ip4/127.0.0.1/tcp/22", "/ip4/192.168.7.1/tcp/80"])
            let before = self.world.network.dialled.count
            // One that is to stay connected is dialled where the caller says, and as far as the store is to be believed.
            try a.keepConnected(peer, at: ["/ip4/192.168.7.9/tcp/1"])
            self.world.network.set(.refuse(TransportError(.unreachable, "nobody is there")), at: "/ip4/192.168.7.9/tcp/1")
            await self.world.clock.passing { await self.world.network.dialled(atLeast: before + 9) }
            let kept: Set<Multiaddr> = ["/ip4/192.168.7.9/tcp/1", "/ip4/1.2.3.4/tcp/1", "/ip4/172.31.255.1/tcp/80"]
            #expect(Set(self.world.network.dialled.dropFirst(before)) == kept)
        }
    }

    @Test("A name from the store may lead to the internet alone, one that was given to anywhere, and a list to no more than its teller")
    func names() async throws {
        let store = MemoryPeerstore(clock: self.world.clock.clock)
        let (peer, other) = (PeerID(try PrivateKey.generate(.ed25519).publicKey), PeerID(try PrivateKey.generate(.ed25519).publicKey))
        let (name, list): (Multiaddr, Multiaddr) = ("/dns4/example.org/tcp/1", "/dnsaddr/example.org")
        let listed: [Multiaddr] = ["/ip4/127.0.0.1/tcp/22", "/ip4/10.0.0.1/tcp/80", "/ip4/1.2.3.4/tcp/1"]
        for address in listed + [name] {
            self.world.network.set(.refuse(TransportError(.unreachable, "nobody is there")), at: address)
        }
        for (peer, address) in [(peer, name), (other, list)] {
            var change = PeerChange(of: peer)
            change.add(KnownAddress(address, source: .identify, origin: .internet), timeToLive: .seconds(600))
            await store.apply([change])
        }
        let a = try self.world.host(peerstore: store, resolver: ListingResolver(listed))
        let strangers = try ["192.168.1.1", "fe80::1", "127.0.0.1", "::"].map { try #require(IPAddress($0)) }
        let google = try #require(IPAddress("8.8.8.8"))
        try await self.world.run(a) {
            await self.world.clock.passing { _ = try? await a.connect(to: peer) }
            let told = try #require(self.world.network.options.last?.mayReach)
            try await told(google)
            for stranger in strangers { await #expect(throws: TransportError.self) { try await told(stranger) } }
            await self.world.clock.passing { _ = try? await a.connect(to: peer, at: [name]) }
            #expect(self.world.network.dialled == [name, name])
            #expect(self.world.network.options.last?.mayReach == nil)

            await self.world.clock.passing { _ = try? await a.connect(to: other) }
            #expect(self.world.network.dialled.dropFirst(2) == ["/ip4/1.2.3.4/tcp/1"])
            await self.world.clock.passing { _ = try? await a.connect(to: other, at: [list]) }
            #expect(Set(self.world.network.dialled.suffix(3)) == Set(listed))
        }
    }

    @Test("Where a peer sees this node counts as far as it can be believed, and the peer learns of no interface of ours")
    func observed() async throws {
        let (a, b) = (try self.world.host(HostConfiguration(observersNeeded: 1), from: Self.own), try self.world.host())
        let (near, far): (Multiaddr, Multiaddr) = ("/ip6zone/eth0/ip6/fe80::9/tcp/4001", "/ip4/8.8.8.8/tcp/4001")
        for address in [near, far] { _ = try await b.listen(on: address) }
        _ = try await a.listen(on: Self.own)
        try await self.world.run(a, b) {
            let connection = try await a.connect(to: far.withPeerID(b.peerID))
            for claimed in ["/ip4/192.168.1.1/tcp/80", "/ip4/127.0.0.1/tcp/80", "/ip4/10.0.0.1/tcp/80"] as [Multiaddr] {
                await a.introductions.introduced(Introduction(observedAddress: claimed), on: connection.info)
            }
            #expect(a.introductions.announcedAddresses == [Self.own])
            await a.introductions.introduced(Introduction(observedAddress: "/ip4/1.2.3.4/tcp/9"), on: connection.info)
            #expect(a.introductions.announcedAddresses == [Self.own, "/ip4/1.2.3.4/tcp/9"])
            var request = DialRequest(addresses: [near])
            request.forcesNew = true
            let linked = try await a.connect(to: b.peerID, request)
            #expect(await a.introductions.introduction(to: linked.info).observedAddress == "/ip6/fe80::9/tcp/4001")
        }
    }
}

/// Says the same of every list.
private struct ListingResolver: AddressResolver {
    private let listed: [Multiaddr]

    init(_ listed: [Multiaddr]) { self.listed = listed }

    func resolve(_ address: Multiaddr, deadline: NIODeadline) async throws(TransportError) -> [Multiaddr] { self.listed }
}
