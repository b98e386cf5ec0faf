import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PKademlia

@Suite("What the table keeps for others")
struct StoreTests {
    private let now = Fixture.start

    private func record(_ number: Int, size: Int = 8) -> KademliaRecord {
        KademliaRecord(key: Array("/any/\(number)".utf8), value: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: size))
    }

    @Test("A value is there for two days, or as long as it is valid")
    func lifetime() {
        var store = ValueStore()
        #expect(doing(&store) { $0.put(self.record(1), at: self.now) })
        #expect(doing(&store) { $0.put(self.record(2), for: .seconds(60), at: self.now) })
        let later = self.now.advanced(by: .seconds(60))
        #expect(store.record(for: self.record(1).key, at: later) == self.record(1))
        #expect(store.record(for: self.record(2).key, at: later) == nil)
        #expect(store.count == 2)
        store.expire(at: later)
        #expect(store.count == 1)
        #expect(store.record(for: self.record(1).key, at: self.now.advanced(by: .seconds(48 * 3_600))) == nil)
    }

    @Test("The value that ends soonest makes room, this node's own never")
    func room() {
        var store = ValueStore(limit: 3, byteLimit: 10_000)
        store.put(self.record(1), isOwn: true, for: .seconds(1), at: self.now)
        store.put(self.record(2), for: .seconds(20), at: self.now)
        store.put(self.record(3), for: .seconds(10), at: self.now)
        #expect(doing(&store) { $0.put(self.record(4), for: .seconds(30), at: self.now) })
        #expect(store.count == 3)
        #expect(store.record(for: self.record(3).key, at: self.now) == nil)
        #expect(store.record(for: self.record(1).key, at: self.now) != nil)
        // By bytes, too.
        #expect(doing(&store) { $0.put(self.record(5, size: 9_500), for: .seconds(40), at: self.now) })
        #expect(store.bytes <= 10_000)
        #expect(!doing(&store) { $0.put(self.record(6, size: 10_000), at: self.now) })
        #expect(store.record(for: self.record(1).key, at: self.now) != nil && store.own == [self.record(1)])
        var full = ValueStore(limit: 1)
        full.put(self.record(1), isOwn: true, at: self.now)
        #expect(!doing(&full) { $0.put(self.record(2), at: self.now) })
        #expect(doing(&full) { $0.put(self.record(1, size: 2), at: self.now) } && full.own.count == 1)
    }

    @Test("A million values leave the store within its bounds")
    func valueFlood() {
        var store = ValueStore(limit: 50, byteLimit: 50_000)
        for number in 0..<2_000 { store.put(self.record(number, size: 100), at: self.now.advanced(by: .milliseconds(number))) }
        #expect(store.count == 50)
        #expect(store.record(for: self.record(1_999).key, at: self.now) != nil)
        for number in 0..<3_000 { store.remove(self.record(number).key) }
        #expect(store.count == 0 && store.bytes == 0)
    }

    @Test("A provider is there for two days, at the addresses that it told last")
    func providers() throws {
        let (one, two) = (try Fixture.peer(1), try Fixture.peer(2))
        let address = try Multiaddr("/ip4/10.0.0.1/tcp/1")
        var store = ProviderStore()
        #expect(doing(&store) { $0.add(one, at: [], for: [1], now: self.now) })
        #expect(doing(&store) { $0.add(one, at: [address], for: [1], now: self.now) })
        #expect(doing(&store) { $0.add(two, at: [address], for: [1], now: self.now.advanced(by: .seconds(60))) })
        #expect(store.count == 2 && store.keyCount == 1)
        let end = self.now.advanced(by: .seconds(48 * 3_600))
        #expect(store.providers(of: [1], at: end) == [KademliaContact(two, at: [address])])
        store.expire(at: end)
        #expect(store.count == 1)
        store.remove(two, of: [1])
        #expect(store.count == 0 && store.keyCount == 0)
    }

    @Test("Floods of keys and of providers meet bounds for the key, for the peer, over all, and by bytes")
    func providerFloods() throws {
        var store = ProviderStore(perKey: 4, perPeer: 5, limit: 20)
        for number in 0..<1_000 {
            store.add(try Fixture.peer(number: number), at: [], for: [0], now: self.now.advanced(by: .milliseconds(number)))
        }
        #expect(store.count == 4)
        #expect(Set(store.providers(of: [0], at: self.now).map(\.peer)).contains(try Fixture.peer(number: 999)))
        let flooder = try Fixture.peer(number: 5_000)
        for key in 1..<200 { store.add(flooder, at: [], for: [UInt8(key)], now: self.now) }
        #expect(store.count == 9)
        for number in 6_000..<6_100 { store.add(try Fixture.peer(number: number), at: [], for: [9, 9, UInt8(number % 50)], now: self.now) }
        #expect(store.count == 20)
        // With the limits that a node has.
        var ordinary = ProviderStore()
        for number in 0..<1_000 { ordinary.add(try Fixture.peer(number: number), at: [], for: [0], now: self.now) }
        #expect(ordinary.count == 64)
        for number in 0..<10_000 { ordinary.add(flooder, at: [], for: [1, UInt8(number / 256), UInt8(number % 256)], now: self.now) }
        #expect(ordinary.count == 64 + 8_192)
        let address = try Multiaddr("/ip4/10.0.0.1/tcp/1")
        var small = ProviderStore(byteLimit: 2_000)
        for number in 0..<100 {
            #expect(try doing(&small) { try $0.add(try Fixture.peer(number: number), at: [address], for: [UInt8(number)], now: self.now) })
            #expect(small.bytes <= 2_000)
        }
        #expect(small.count > 5)
        small.expire(at: self.now.advanced(by: ProviderStore.lifetime))
        #expect(small.count == 0 && small.bytes == 0 && small.keyCount == 0)
    }

    @Test("Of values the best wins, whenever it comes, and who has another is known")
    func search() throws {
        var search = ValueSearch(Array("/any/x".utf8), AnyValueValidator())
        let (one, two, three) = (try Fixture.peer(1), try Fixture.peer(2), try Fixture.peer(3))
        #expect(doing(&search) { $0.add([1], from: one) })
        #expect(doing(&search) { $0.add([2], from: two) })
        #expect(!doing(&search) { $0.add([1], from: three) })
        #expect(!doing(&search) { $0.add([2], from: three) })
        #expect(search.best == [2] && search.count == 3, "three peers, of which one has given two")
        #expect(!search.hasBest(one) && search.hasBest(two) && search.hasBest(three))
    }

    @Test("A provider counts when two have named it and it is met, so that one liar's list ends no search")
    func providerSearch() throws {
        var search = ProviderSearch()
        let (liar, honest, other) = (try Fixture.peer(1), try Fixture.peer(2), try Fixture.peer(3))
        for number in 0..<100 {
            #expect(try doing(&search) { try $0.add(KademliaContact(try Fixture.peer(number: number)), namedBy: liar) } != nil)
        }
        #expect(search.count == 0)
        let provider = KademliaContact(try Fixture.peer(number: 500))
        #expect(doing(&search) { $0.add(provider, namedBy: honest) } == provider)
        #expect(doing(&search) { $0.add(provider, namedBy: honest) } == nil)
        #expect(search.count == 0)
        let located = KademliaContact(provider.peer, at: [try Multiaddr("/ip4/10.0.0.1/tcp/1")])
        #expect(doing(&search) { $0.add(located, namedBy: other) } == located)
        #expect(search.count == 1 && search.all.count == 101 && search.met == 0)
        // One that is named by two, and met by nobody, does not count.
        let absent = try Fixture.peer(number: 501)
        for namer in [honest, other] { _ = search.add(KademliaContact(absent), namedBy: namer) }
        #expect(search.count == 2 && search.unproved(upTo: 9).map(\.peer) == [provider.peer, absent])
        search.note(absent, isThere: false)
        search.note(provider.peer, isThere: true)
        search.note(liar, isThere: true)
        #expect(search.count == 1 && search.met == 1 && search.dialled == 2 && search.unproved(upTo: 9).isEmpty)
        #expect(search.all.last?.peer == absent)
        for number in 1_000..<3_000 { _ = search.add(KademliaContact(try Fixture.peer(number: number)), namedBy: liar) }
        #expect(search.all.count == ProviderSearch.limit)
    }
}
