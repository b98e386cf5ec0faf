import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PTesting
import Testing

@testable import P2PKademlia

@Suite("The routing table")
struct RoutingTableTests {
    private let own = KademliaPoint(0, 0, 0, 0)

    /// A place that shares so many bits with that of zeros, told apart by a number.
    private func point(_ bucket: Int, _ number: Int) -> KademliaPoint {
        let base = KademliaPoint(0, 0, 0, UInt64(number))
        return base.flippingBit(bucket)
    }

    @Test("Who has been there for long stays: a newcomer finds no room in a full bucket")
    func seniority() throws {
        var table = RoutingTable(at: self.own, bucketSize: 3)
        for number in 0..<3 {
            #expect(
                try doing(&table) { try $0.offer(try Fixture.peer(number: number), point: self.point(0, number), now: Fixture.start) }
                    == .added)
        }
        #expect(try doing(&table) { try $0.offer(try Fixture.peer(number: 9), point: self.point(0, 9), now: Fixture.start) } == .bucketFull)
        #expect(try doing(&table) { try $0.offer(try Fixture.peer(number: 9), point: self.point(1, 9), now: Fixture.start) } == .added)
        #expect(table.count == 4 && table.bucketCounts == [3, 1])
        #expect(try doing(&table) { try $0.remove(try Fixture.peer(number: 1), point: self.point(0, 1)) })
        #expect(try doing(&table) { try $0.offer(try Fixture.peer(number: 10), point: self.point(0, 10), now: Fixture.start) } == .added)
        #expect(table.bucketCounts == [3, 1])
    }

    @Test("A flood of ten thousand ids leaves the table within its bounds, and the old ones in it")
    func flood() throws {
        var generator = SeededGenerator(seed: 3)
        let old = try (0..<20).map { try Fixture.peer(number: $0) }
        var table = RoutingTable(at: self.own)
        for (number, peer) in old.enumerated() { table.offer(peer, point: self.point(0, number), now: Fixture.start) }
        for number in 100..<10_100 {
            let point = KademliaPoint(generator.next(), generator.next(), 0, UInt64(number))
            table.offer(try Fixture.peer(number: number), point: point, now: Fixture.start)
        }
        #expect(table.bucketCounts.allSatisfy { $0 <= 20 })
        #expect(table.count <= 20 * 16)
        #expect(Set(table.peers).isSuperset(of: old))
    }

    @Test("The nearest are the nearest, whatever bucket they are in")
    func nearest() throws {
        var generator = SeededGenerator(seed: 5)
        for round in 0..<20 {
            let own = KademliaPoint(generator.next(), generator.next(), 0, 0)
            var table = RoutingTable(at: own, bucketSize: 4)
            var points: [PeerID: KademliaPoint] = [:]
            for number in 0..<100 {
                let peer = try Fixture.peer(number: number + 1_000 * round)
                let point = KademliaPoint(generator.next(), generator.next(), 0, 0)
                if table.offer(peer, point: point, now: Fixture.start) == .added { points[peer] = point }
            }
            let target = KademliaPoint(generator.next(), 0, 0, 0)
            let sorted = points.sorted { $0.value.distance(to: target) < $1.value.distance(to: target) }.map(\.key)
            #expect(table.nearest(to: target, count: 7).map(\.peer) == Array(sorted.prefix(7)))
            #expect(table.nearest(to: target, count: 500).map(\.peer) == sorted)
            let first = try #require(sorted.first)
            #expect(table.nearest(to: target, count: 3, except: first).map(\.peer) == Array(sorted.dropFirst().prefix(3)))
            #expect(table.nearest(to: own, count: 500).count == points.count)
        }
    }

    @Test("Of one operator's network three are taken, two into a bucket; local addresses count for nobody")
    func diversity() throws {
        var table = RoutingTable(at: self.own, diversity: .publicNetwork)
        func offer(_ number: Int, _ bucket: Int, _ address: String) throws -> RoutingTable.Offer {
            table.offer(
                try Fixture.peer(number: number), at: [try Multiaddr(address)], point: self.point(bucket, number), now: Fixture.start)
        }
        #expect(try offer(1, 0, "/ip4/45.33.1.1/tcp/1") == .added)
        #expect(try offer(2, 0, "/ip4/45.33.2.1/tcp/1") == .added)
        #expect(try offer(3, 0, "/ip4/45.33.3.1/tcp/1") == .groupFull)
        #expect(try offer(4, 1, "/ip4/45.33.3.1/tcp/1") == .added)
        #expect(try offer(5, 2, "/ip4/45.33.4.1/tcp/1") == .groupFull)
        #expect(try offer(6, 0, "/ip4/45.34.1.1/tcp/1") == .added)
        for number in 10..<20 { #expect(try offer(number, 0, "/ip4/10.0.0.\(number)/tcp/1") == .added) }
        table.remove(try Fixture.peer(number: 1), point: self.point(0, 1))
        #expect(try offer(7, 0, "/ip4/45.33.7.1/tcp/1") == .added)
        #expect(NetworkGroup(of: try Multiaddr("/ip4/12.1.1.1/tcp/1")) == NetworkGroup(of: try Multiaddr("/ip4/12.200.1.1/tcp/1")))
        #expect(NetworkGroup(of: try Multiaddr("/ip6/2a00:1450::1/tcp/1")) == NetworkGroup(of: try Multiaddr("/ip6/2a00:1450:9::1/tcp/1")))
        #expect(NetworkGroup(of: try Multiaddr("/dns4/example.org/tcp/1")) == nil)
    }

    @Test("Where a peer's connection comes from counts, and not where it says that it is")
    func claimedAddresses() throws {
        var table = RoutingTable(at: self.own, diversity: .publicNetwork)
        let place = Multiaddr("/ip4/45.33.1.1/tcp/1")
        func offer(_ number: Int, seenAt: Multiaddr?) throws -> RoutingTable.Offer {
            table.offer(
                try Fixture.peer(number: number), at: [try Multiaddr("/ip4/45.\(100 + number).1.1/tcp/1")], seenAt: seenAt,
                point: self.point(number, number), now: Fixture.start)
        }
        for number in 0..<3 { #expect(try offer(number, seenAt: place) == .added) }
        #expect(try offer(3, seenAt: place) == .groupFull)
        #expect(try offer(4, seenAt: nil) == .added)
        #expect(try offer(5, seenAt: Multiaddr("/ip4/10.0.0.1/tcp/1")) == .added)
    }

    @Test("Buckets are due once an interval, and empty ones behind the first that is empty are left alone")
    func refreshing() throws {
        var table = RoutingTable(at: self.own)
        for (number, bucket) in [0, 1, 2, 9].enumerated() {
            table.offer(try Fixture.peer(number: number), point: self.point(bucket, number), now: Fixture.start)
        }
        let interval = Duration.seconds(600)
        #expect(doing(&table) { $0.bucketsToRefresh(every: interval, at: Fixture.start) } == Array(0...8))
        #expect(doing(&table) { $0.bucketsToRefresh(every: interval, at: Fixture.start.advanced(by: .seconds(599))) } == [])
        #expect(doing(&table) { $0.bucketsToRefresh(every: interval, at: Fixture.start.advanced(by: .seconds(600))) } == Array(0...8))
        #expect(RoutingTable(at: self.own).count == 0)
    }

    @Test("Who has not answered for long is found, and addresses are those that were told last")
    func silence() throws {
        var table = RoutingTable(at: self.own)
        let peer = try Fixture.peer(number: 1)
        table.offer(peer, at: [try Multiaddr("/ip4/10.0.0.1/tcp/1")], now: Fixture.start)
        #expect(table.silent(for: .seconds(60), at: Fixture.start.advanced(by: .seconds(59))).isEmpty)
        #expect(table.silent(for: .seconds(60), at: Fixture.start.advanced(by: .seconds(60))).map(\.peer) == [peer])
        let addresses = [try Multiaddr("/ip4/10.0.0.2/tcp/1"), try Multiaddr("/ip6/::1/udp/4/quic-v1")]
        #expect(doing(&table) { $0.offer(peer, at: addresses, now: Fixture.start.advanced(by: .seconds(60))) } == .refreshed)
        #expect(table.contact(peer)?.addresses == addresses)
        #expect(table.silent(for: .seconds(60), at: Fixture.start.advanced(by: .seconds(61))).isEmpty)
    }

    @Test("A table of two hundred peers takes up less than a hundred KiB")
    func size() throws {
        var table = RoutingTable(at: self.own)
        let addresses = try ["/ip4/203.0.112.1/tcp/4001", "/ip4/203.0.112.1/udp/4001/quic-v1", "/ip6/2a00::1/tcp/4001"].map {
            try Multiaddr($0)
        }
        var number = 0
        for bucket in 0..<10 {
            for _ in 0..<20 {
                table.offer(try Fixture.peer(number: number), at: addresses, point: self.point(bucket, number), now: Fixture.start)
                number += 1
            }
        }
        #expect(table.count == 200)
        #expect(table.size < 100 * 1_024, "\(table.size) bytes")
    }
}
