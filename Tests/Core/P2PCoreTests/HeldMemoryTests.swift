import NIOCore
import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PCore

@Suite("What peers make a host hold")
struct HeldMemoryTests {
    private static let quantum = HeldMemory.quantum
    private static let base = HeldMemory.perConnection

    private let peers = (0..<4).compactMap { _ in try? PeerID(PrivateKey.generate(.ed25519).publicKey) }
    private let stranger = try? Multiaddr("/ip4/192.0.2.1/tcp/1")
    private let friend = try? Multiaddr("/ip4/127.0.0.9/tcp/1")

    private func memory(total: Int, perPeer: Int = .max, allowed: Int = 0, perNetwork: Int = .max, allowedPeers: Set<PeerID> = [])
        -> HeldMemory
    {
        HeldMemory(
            MemoryLimits(total: total, perPeer: perPeer, allowed: allowed, perNetwork: perNetwork),
            known: KnownNetworks(allowed: [IPNetwork("127.0.0.9/32")].compactMap(\.self), allowedPeers: allowedPeers))
    }

    @Test(
        "The pressure says what is given up",
        arguments: [
            (0, MemoryPressure.none), (799, .none), (800, .tight), (899, .tight), (900, .short), (999, .short), (1_000, .critical),
            (1_199, .critical), (1_200, .exhausted), (5_000, .exhausted), (-1, .none),
        ])
    func pressure(use: Int, pressure: MemoryPressure) {
        #expect(MemoryPressure.of(use, limit: 1_600) == pressure)
    }

    @Test("A connection takes in quanta, keeps a little for a while, and everything comes back with it")
    func quanta() throws {
        let (memory, address) = (self.memory(total: 100 << 20), try #require(self.stranger))
        do {
            let account = memory.account(for: self.peers[0], at: address)
            #expect(memory.use == Self.base && memory.peerCount == 1)
            account.change(by: HeldMemory.included)
            #expect(memory.use == Self.base)
            account.change(by: 1)
            #expect(memory.use == Self.base + Self.quantum)
            account.change(by: 10 * Self.quantum)
            #expect(memory.use == Self.base + 11 * Self.quantum)
            account.change(by: -2 * Self.quantum)
            #expect(memory.use == Self.base + 11 * Self.quantum, "little is kept")
            account.change(by: -7 * Self.quantum)
            #expect(memory.use == Self.base + 3 * Self.quantum, "much is not")
            account.change(by: -account.held)
            account.trim()
            #expect(account.held == 0 && memory.use == Self.base)
            #expect(account.released == HeldMemory.included + 1 + 10 * Self.quantum)
        }
        #expect(memory.use == 0 && memory.peerCount == 0 && memory.peak == Self.base + 11 * Self.quantum)
    }

    @Test("What is known of peers counts for the host, and is too much beyond its own limit")
    func kept() {
        let memory = HeldMemory(MemoryLimits(total: 1_000, perPeer: .max, allowed: 0, kept: 100))
        memory.keep(100)
        #expect(memory.use == 100 && memory.kept == 100 && !memory.keepsTooMuch)
        memory.keep(50)
        #expect(memory.use == 150 && memory.keepsTooMuch)
        memory.keep(-150)
        #expect(memory.use == 0 && memory.kept == 0 && memory.peakOfKept == 150 && memory.peak == 150)
        // Strangers on the local network have nobody forgotten.
        memory.discover(500)
        #expect(memory.use == 500 && memory.kept == 0 && !memory.keepsTooMuch)
        memory.discover(-500)
        #expect(memory.use == 0)
    }

    @Test("Scopes nest: connections of one peer are one peer's, and what it holds is the host's")
    func nesting() throws {
        let (memory, address) = (self.memory(total: 100 << 20), try #require(self.stranger))
        let one = memory.account(for: self.peers[0], at: address)
        let other = memory.account(for: self.peers[0], at: address)
        let another = memory.account(for: self.peers[1], at: address)
        one.change(by: 1 << 20)
        other.change(by: 2 << 20)
        #expect(one.peerHeld == one.charge + other.charge && other.peerHeld == one.peerHeld)
        #expect(memory.use == one.peerHeld + another.charge && memory.peerCount == 2)
    }

    @Test("Known networks have memory of their own, and strangers none of it")
    func allowed() throws {
        let memory = self.memory(total: 10 << 20, allowed: 1 << 20)
        let friend = memory.account(for: self.peers[0], at: try #require(self.friend))
        let stranger = memory.account(for: self.peers[1], at: try #require(self.stranger))
        #expect(friend.isAllowed && !stranger.isAllowed)
        friend.change(by: 512 << 10)
        #expect(memory.use == stranger.charge && memory.useOfAllowed == friend.charge)
        friend.change(by: 2 << 20)
        #expect(memory.use == stranger.charge + friend.charge - 1 << 20 && memory.useOfAllowed == 1 << 20)
        stranger.change(by: 20 << 20)
        #expect(memory.pressure == .exhausted && memory.useOfAllowed == 1 << 20)
    }

    @Test("A peer on the list has that memory wherever it comes from")
    func allowedPeer() throws {
        let memory = self.memory(total: 10 << 20, allowed: 1 << 20, allowedPeers: [self.peers[2]])
        let friend = memory.account(for: self.peers[2], at: try #require(self.stranger))
        let stranger = memory.account(for: self.peers[1], at: try #require(self.stranger))
        #expect(friend.isAllowed && !stranger.isAllowed && friend.networks.isEmpty)
        #expect(memory.useOfAllowed == friend.charge && memory.use == stranger.charge)
    }

    @Test("Peers of one network count together, for IPv6 in a small one and in the large one around it; loopback counts in none")
    func networks() throws {
        let memory = self.memory(total: 100 << 20, perNetwork: 4 << 20)
        let count = Atomic(0)
        memory.onAlarm { count.wrappingAdd(1, ordering: .relaxed) }
        do {
            let places: [Multiaddr] = [
                "/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.200/tcp/2", "/ip4/192.0.3.1/tcp/1", "/ip6/2001:db8:1:100::1/tcp/1",
                "/ip6/2001:db8:1:1ff::1/udp/1", "/ip6/2001:db8:1:200::1/tcp/1", "/ip4/127.0.0.1/tcp/1",
            ]
            let accounts = places.enumerated().map { memory.account(for: self.peers[$0.offset % 4], at: $0.element) }
            #expect(
                accounts.map { $0.networks.map(\.description) } == [
                    ["192.0.2.0/24"], ["192.0.2.0/24"], ["192.0.3.0/24"], ["2001:db8:1:100::/56", "2001:db8:1::/48"],
                    ["2001:db8:1:100::/56", "2001:db8:1::/48"], ["2001:db8:1:200::/56", "2001:db8:1::/48"], [],
                ])
            #expect(memory.networkCount == 5)
            accounts[6].change(by: 9 << 20)
            accounts[2].change(by: 3 << 20)
            accounts[0].change(by: 3 << 20)
            #expect(accounts.allSatisfy { $0.crowdedNetwork == nil } && count.load(ordering: .relaxed) == 0)
            accounts[1].change(by: 1 << 20)
            #expect(accounts[0].crowdedNetwork?.network == IPNetwork("192.0.2.0/24") && accounts[2].crowdedNetwork == nil)
            #expect(count.load(ordering: .relaxed) == 1 && memory.heaviestNetwork.now == accounts[0].charge + accounts[1].charge)
            memory.endAlarm()
            for account in accounts[3...5] { account.change(by: 3 << 20) }
            #expect(accounts[3].crowdedNetwork?.network == IPNetwork("2001:db8:1:100::/56"))
            #expect(accounts[5].crowdedNetwork?.network == IPNetwork("2001:db8:1::/48") && count.load(ordering: .relaxed) == 2)
        }
        #expect(memory.use == 0 && memory.networkCount == 0 && memory.heaviestNetwork.now == 0 && memory.heaviestNetwork.peak > 9 << 20)
    }

    @Test("Arrivals count until their handshakes are done")
    func arrivals() {
        let memory = self.memory(total: 100 << 20)
        memory.arrivalBegan()
        memory.arrivalBegan()
        #expect(memory.use == 2 * HeldMemory.perArrival && memory.heldByArrivals == memory.use)
        memory.arrivalEnded()
        memory.arrivalEnded()
        #expect(memory.use == 0 && memory.heldByArrivals == 0 && memory.peak == 2 * HeldMemory.perArrival)
    }

    @Test("From an eighth of the memory on, whoever holds more saves it, until there is room again")
    func saving() throws {
        let (memory, address) = (self.memory(total: 16 << 20), try #require(self.stranger))
        let account = memory.account(for: self.peers[0], at: address)
        account.change(by: 1 << 20)
        #expect(!account.savesMemory)
        account.change(by: 2 << 20)
        #expect(account.savesMemory)
        account.change(by: -2 << 20)
        #expect(!account.savesMemory)
    }

    @Test("Where memory is short, the heaviest open no more streams, and the others do")
    func streams() throws {
        let (memory, address) = (self.memory(total: 8 << 20), try #require(self.stranger))
        let heavy = memory.account(for: self.peers[0], at: address)
        let light = memory.account(for: self.peers[1], at: address)
        heavy.change(by: 17 << 18)
        #expect(memory.pressure == .tight && heavy.mayOpenStream && !memory.mayGrow)
        heavy.change(by: 1 << 19)
        #expect(memory.pressure == .short && !heavy.mayOpenStream && light.mayOpenStream && memory.refusals == 1)
    }

    @Test("A peer with half of its share opens no more streams at any time")
    func share() throws {
        let (memory, address) = (self.memory(total: 100 << 20, perPeer: 4 << 20), try #require(self.stranger))
        let account = memory.account(for: self.peers[0], at: address)
        account.change(by: 1 << 20)
        #expect(account.mayOpenStream && memory.mayGrow)
        account.change(by: 1 << 20)
        #expect(!account.mayOpenStream)
    }

    @Test("The alarm goes once, until whoever looks has looked")
    func alarm() throws {
        let (memory, address) = (self.memory(total: 8 << 20, perPeer: 4 << 20), try #require(self.stranger))
        let count = Atomic(0)
        memory.onAlarm { count.wrappingAdd(1, ordering: .relaxed) }
        let account = memory.account(for: self.peers[0], at: address)
        account.change(by: 3 << 20)
        #expect(count.load(ordering: .relaxed) == 0)
        account.change(by: 2 << 20)
        account.change(by: 2 << 20)
        #expect(count.load(ordering: .relaxed) == 1)
        memory.endAlarm()
        account.change(by: 2 << 20)
        #expect(count.load(ordering: .relaxed) == 2)
    }

    @Test("When nothing is left, a connection that has as much as the average goes by itself, once, and no other does")
    func excess() throws {
        let memory = self.memory(total: 8 << 20, allowed: 1 << 20)
        let (address, friend) = (try #require(self.stranger), try #require(self.friend))
        let accounts = [
            memory.account(for: self.peers[0], at: address), memory.account(for: self.peers[1], at: address),
            memory.account(for: self.peers[2], at: friend), memory.account(for: self.peers[3], at: address, isDialled: true),
        ]
        let gone = (0..<4).map { _ in Counter() }
        for (account, counter) in zip(accounts, gone) { account.onExcess { counter.increment() } }
        accounts[0].change(by: 7 << 20)
        #expect(gone.map(\.value) == [0, 0, 0, 0])
        accounts[1].change(by: 1 << 20)
        #expect(gone.map(\.value) == [0, 0, 0, 0], "less than the average")
        accounts[2].change(by: 8 << 20)
        accounts[3].change(by: 8 << 20)
        #expect(gone.map(\.value) == [0, 0, 0, 0], "known, or dialled")
        accounts[0].change(by: 1 << 20)
        accounts[0].change(by: 1 << 20)
        accounts[1].change(by: 9 << 20)
        #expect(gone.map(\.value) == [1, 1, 0, 0])
    }

    @Test("Many threads leave nothing behind")
    func threads() async throws {
        let (memory, address) = (self.memory(total: 1 << 40), try #require(self.stranger))
        let account = memory.account(for: self.peers[0], at: address)
        await withDiscardingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for size in 1...500 {
                        account.change(by: size * 1_000)
                        account.change(by: -size * 1_000)
                    }
                }
            }
        }
        account.trim()
        #expect(account.held == 0 && memory.use == Self.base)
    }

    @Test("A stream counts what waits in it, both ways, and nothing when it is gone")
    func stream() throws {
        final class Owner: MuxedStreamOwner {
            let held = Atomic(0)
            func streamHasWork(_ stream: MuxedStream) {}
            func streamHolds(_ change: Int) { self.held.wrappingAdd(change, ordering: .relaxed) }
        }
        let owner = Owner()
        var stream: MuxedStream? = MuxedStream(owner: owner, creditThreshold: 1 << 20)
        _ = stream?.receive(ByteBuffer(repeating: 1, count: 1_000))
        _ = stream?.tryWrite(ByteBuffer(repeating: 2, count: 500))
        #expect(owner.held.load(ordering: .relaxed) == 1_500)
        _ = stream?.tryRead(upTo: 400)
        stream?.unread(ByteBuffer(repeating: 1, count: 100))
        var record = ByteBuffer()
        _ = stream?.copy(upTo: 200, to: &record)
        #expect(owner.held.load(ordering: .relaxed) == 1_000)
        stream?.fail(StreamError(.connectionLost, "lost"))
        #expect(owner.held.load(ordering: .relaxed) == 700, "what came can still be read")
        stream = nil
        #expect(owner.held.load(ordering: .relaxed) == 0)
    }
}
