import P2P
import Testing

@Suite("A subsystem that nothing but its own line names", .timeLimit(.minutes(1)))
struct ExampleModuleTests {
    private static func host(_ lighthouse: Lighthouse) async throws -> PeerHost {
        try await PeerHost.standard(modules: .standard.adding(lighthouse))
    }

    @Test("Its protocol is served, its finder is asked by a dial, its events are its own")
    func findsAndServes() async throws {
        let (here, there) = (Lighthouse(), Lighthouse())
        let (dialer, listener) = (try await Self.host(here), try await Self.host(there))
        let address = try #require(try await listener.listen(on: "/ip4/127.0.0.1/tcp/0").first)
        here.learn(listener.peerID, at: [address])
        try await listener.running { listener in
            try await dialer.running { dialer in
                // No address: only the module knows where the peer is.
                let connection = try await dialer.connect(to: listener.peerID)
                #expect(try await Lighthouse.ask(connection) == "0 in sight")
            }
        }
        for await case .asked(let peer) in there.events {
            #expect(peer == dialer.peerID)
            break
        }
        #expect(here.connectionsSeen == 1)
    }

    @Test("Its address is announced, and pushed to peers when it changes")
    func announces() async throws {
        let lighthouse = Lighthouse()
        let (dialer, listener) = (try await PeerHost.standard(), try await Self.host(lighthouse))
        let (first, second): (Multiaddr, Multiaddr) = ("/ip4/1.2.3.4/tcp/4001", "/ip4/1.2.3.5/tcp/4001")
        lighthouse.move(to: first)
        let address = try #require(try await listener.listen(on: "/ip4/127.0.0.1/tcp/0").first)
        try await listener.running { _ in
            try await dialer.running { dialer in
                let events = dialer.events()
                _ = try await dialer.connect(to: address)
                var told: [[Multiaddr]] = []
                for await case .identified(_, let introduction) in events {
                    told.append(introduction.listenAddresses)
                    if introduction.listenAddresses.contains(second) { break }
                    lighthouse.move(to: second)
                }
                #expect(told.first == [address.withoutPeerID, first])
                #expect(told.last == [address.withoutPeerID, second])
            }
        }
    }

    @Test("Its task lives as long as the host runs")
    func lives() async throws {
        let lighthouse = Lighthouse()
        let host = try await Self.host(lighthouse)
        #expect(!lighthouse.isRunning)
        try await host.running { _ in
            while !lighthouse.isRunning { await Task.yield() }
        }
        #expect(!lighthouse.isRunning)
    }
}
