import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PSwarm

@Suite("Which connections are closed for want of memory")
struct MemoryReliefTests {
    private static let mebibyte = 1 << 20
    private static let limits = MemoryLimits(total: 100 << 20, perPeer: 60 << 20, allowed: 10 << 20, perNetwork: 50 << 20)

    private let peers = (0..<6).compactMap { _ in try? PeerID(PrivateKey.generate(.ed25519).publicKey) }
    private let ids = (0..<6).map { _ in ConnectionID() }
    private let start = NIODeadline.uptimeNanoseconds(0)

    /// A connection of the peer with that number, by mebibytes.
    private func holding(
        _ number: Int, of peer: Int? = nil, holds mebibytes: Int, released: Int = 0, isAllowed: Bool = false, isDialled: Bool = false,
        isLeaving: Bool = false
    ) -> MemoryRelief.Holding {
        MemoryRelief.Holding(
            id: self.ids[number], peer: self.peers[peer ?? number], held: mebibytes * Self.mebibyte, charge: mebibytes * Self.mebibyte,
            released: released, isAllowed: isAllowed, isDialled: isDialled, isLeaving: isLeaving)
    }

    /// Looks at the same connections twice, so long apart.
    private func closed(
        _ before: [MemoryRelief.Holding], _ after: [MemoryRelief.Holding]? = nil, seconds: Int64 = 5, use: Int? = nil
    ) -> [MemoryRelief.Victim] {
        var relief = MemoryRelief(limits: Self.limits)
        _ = relief.victims(among: before, use: 0, at: self.start)
        let after = after ?? before
        return relief.victims(
            among: after, use: use.map { $0 * Self.mebibyte } ?? after.reduce(0) { $0 + $1.charge }, at: self.start + .seconds(seconds))
    }

    private func victim(_ number: Int, _ reason: MemoryRelief.Victim.Reason) -> MemoryRelief.Victim {
        MemoryRelief.Victim(id: self.ids[number], reason: reason)
    }

    @Test("Nobody is closed while there is room")
    func room() {
        #expect(self.closed([self.holding(0, holds: 36), self.holding(1, holds: 26)]).isEmpty)
    }

    @Test("A known network's connection that leaves makes no room for strangers: it takes none of theirs")
    func apart() {
        let all = [self.holding(0, holds: 50, isAllowed: true, isLeaving: true), self.holding(1, holds: 45), self.holding(2, holds: 45)]
        #expect(self.closed(all, use: 90).count == 1)
    }

    @Test("Whoever holds most goes first, and no more than it takes")
    func most() {
        #expect(
            self.closed([self.holding(0, holds: 20), self.holding(1, holds: 40), self.holding(2, holds: 32)]) == [self.victim(1, .stuck)])
    }

    @Test("A peer's connections count together")
    func together() {
        let all = [self.holding(0, of: 0, holds: 26), self.holding(1, of: 0, holds: 26), self.holding(2, of: 1, holds: 29)]
        #expect(self.closed(all) == [self.victim(0, .stuck)] || self.closed(all) == [self.victim(1, .stuck)])
    }

    @Test("Who goes forward stays while others do not, however much that one holds")
    func forward() {
        let before = [self.holding(0, holds: 34), self.holding(1, holds: 16), self.holding(2, holds: 20)]
        let after = [self.holding(0, holds: 34, released: 1), self.holding(1, holds: 16), self.holding(2, holds: 20)]
        #expect(self.closed(before, after) == [self.victim(2, .stuck)])
    }

    @Test("Those who go forward are closed only when nothing is left")
    func full() {
        let before = [self.holding(0, holds: 34), self.holding(1, holds: 36)]
        let after = [self.holding(0, holds: 34, released: 1), self.holding(1, holds: 36, released: 1)]
        #expect(self.closed(before, after).isEmpty)
        #expect(self.closed(before, after, use: 80) == [self.victim(1, .full)])
    }

    @Test("Known networks, those that hold next to nothing, and those that are leaving are not closed")
    func spared() {
        let all = [self.holding(0, holds: 58, isAllowed: true), self.holding(1, holds: 0), self.holding(2, holds: 42, isLeaving: true)]
        #expect(self.closed(all, use: 140).isEmpty)
    }

    @Test("What is leaving already is as good as free")
    func leaving() {
        #expect(self.closed([self.holding(0, holds: 50, isLeaving: true), self.holding(1, holds: 45)]).isEmpty)
    }

    @Test("A connection that this host dialled goes after those that came")
    func dialled() {
        #expect(self.closed([self.holding(0, holds: 55, isDialled: true), self.holding(1, holds: 37)]) == [self.victim(1, .stuck)])
    }

    @Test("Idle for an hour weighs no more than for some seconds")
    func time() {
        var relief = MemoryRelief(limits: Self.limits)
        let old = self.holding(0, holds: 30)
        _ = relief.victims(among: [old], use: 0, at: self.start)
        let hour = self.start + .hours(1)
        _ = relief.victims(among: [old, self.holding(1, holds: 58)], use: 0, at: hour)
        let victims = relief.victims(among: [old, self.holding(1, holds: 58)], use: 90 << 20, at: hour + .seconds(8))
        #expect(victims == [self.victim(1, .stuck)])
    }

    @Test(
        "A network beyond its share loses its largest connections until it is within, also while there is room; an IPv6 /48 may hold twice as much"
    )
    func network() throws {
        func holding(_ number: Int, holds mebibytes: Int, from networks: String...) -> MemoryRelief.Holding {
            var holding = self.holding(number, holds: mebibytes)
            holding.networks = networks.compactMap { IPNetwork($0) }
            return holding
        }
        let small = "192.0.2.0/24"
        #expect(self.closed([holding(0, holds: 30, from: small), holding(1, holds: 20, from: small)], use: 50).isEmpty)
        let all = [holding(0, holds: 20, from: small), holding(1, holds: 32, from: small), holding(2, holds: 40, from: "192.0.3.0/24")]
        #expect(self.closed(all, use: 0) == [self.victim(1, .network)])
        let (one, other, around) = ("2001:db8:1:100::/56", "2001:db8:1:200::/56", "2001:db8:1::/48")
        let six = [holding(0, holds: 48, from: one, around), holding(1, holds: 48, from: other, around)]
        #expect(self.closed(six, use: 0).isEmpty)
        let third = holding(2, holds: 10, from: "2001:db8:1:300::/56", around)
        #expect(self.closed(six + [third], use: 0).map(\.reason) == [.network])
    }

    @Test("A peer beyond its share loses connections until it is within, also while there is room, and also in a known network")
    func share() {
        let all = [self.holding(0, of: 0, holds: 40, isAllowed: true), self.holding(1, of: 0, holds: 25, isAllowed: true)]
        #expect(self.closed(all, use: 0) == [self.victim(0, .share)])
    }
}
