import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PResolver

@Suite("A walk over lists of addresses")
struct AddressListWalkTests {
    private static let peer = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
    private static let other = "12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p"

    private func walk(_ address: String, _ limits: AddressListLimits = AddressListLimits()) throws -> AddressListWalk {
        try AddressListWalk(try Multiaddr(address), limits: limits)
    }

    private func texts(_ addresses: [String]) -> [[UInt8]] { addresses.map { Array("dnsaddr=\($0)".utf8) } }

    @Test("The name is asked for with _dnsaddr before it, and what its records list is the result")
    func list() throws {
        var walk = try self.walk("/dnsaddr/example.org")
        let lists = walk.next()
        #expect(lists.map(\.domain) == ["_dnsaddr.example.org"])
        walk.told(
            self.texts(["/ip4/1.2.3.4/tcp/1/p2p/\(Self.peer)", "/dns4/a.example.org/tcp/2", "/ip4/1.2.3.4/tcp/1/p2p/\(Self.peer)"]),
            of: lists[0])
        #expect(walk.next() == [])
        #expect(walk.addresses.map(\.description) == ["/ip4/1.2.3.4/tcp/1/p2p/\(Self.peer)", "/dns4/a.example.org/tcp/2"])
    }

    @Test("What follows the name must end each address of the list")
    func ending() throws {
        var walk = try self.walk("/dnsaddr/example.org/p2p/\(Self.peer)")
        let lists = walk.next()
        walk.told(
            self.texts([
                "/ip4/1.2.3.4/tcp/1/p2p/\(Self.other)", "/ip4/1.2.3.4/tcp/2", "/ip4/1.2.3.4/tcp/3/p2p/\(Self.peer)", "/p2p/\(Self.other)",
                "/dnsaddr/other.example.org/p2p/\(Self.other)", "/dnsaddr/same.example.org/p2p/\(Self.peer)",
            ]), of: lists[0])
        #expect(walk.addresses.map(\.description) == ["/ip4/1.2.3.4/tcp/3/p2p/\(Self.peer)"])
        #expect(walk.next().map(\.domain) == ["_dnsaddr.same.example.org"])
    }

    @Test("Lists within lists are followed as deep as allowed, and no deeper")
    func depth() throws {
        var walk = try self.walk("/dnsaddr/0.example", AddressListLimits(depth: 4))
        for depth in 0..<4 {
            let lists = walk.next()
            #expect(lists.map(\.domain) == ["_dnsaddr.\(depth).example"])
            walk.told(self.texts(["/ip4/1.2.3.4/tcp/\(depth + 1)", "/dnsaddr/\(depth + 1).example"]), of: lists[0])
        }
        #expect(walk.next() == [])
        #expect(walk.addresses.count == 4)
    }

    @Test("A name is asked for once, whatever its letters' case: loops end")
    func loops() throws {
        var walk = try self.walk("/dnsaddr/a.example")
        var asked = 0
        while let list = walk.next().first {
            asked += 1
            walk.told(self.texts(["/dnsaddr/a.example", "/dnsaddr/A.Example", "/dnsaddr/b.example"]), of: list)
        }
        #expect(asked == 2)
    }

    @Test("Names, records and addresses stop at their limits")
    func limits() throws {
        var walk = try self.walk("/dnsaddr/0.example", AddressListLimits(depth: 100, names: 5, records: 300, addresses: 100))
        var asked = 0
        while true {
            let lists = walk.next()
            guard !lists.isEmpty else { break }
            asked += lists.count
            for list in lists { walk.told(self.texts((0..<500).map { "/dnsaddr/\(asked)-\($0).example" }), of: list) }
        }
        #expect(asked == 5)
        walk = try self.walk("/dnsaddr/0.example", AddressListLimits(records: 300, addresses: 100))
        let list = walk.next()[0]
        walk.told(self.texts((1...5_000).map { "/ip4/1.2.3.4/tcp/\($0)" }), of: list)
        #expect(walk.addresses.count == 100)
        walk = try self.walk("/dnsaddr/0.example", AddressListLimits(records: 3))
        walk.told(self.texts((1...5_000).map { "/ip4/1.2.3.4/tcp/\($0)" }), of: walk.next()[0])
        #expect(walk.addresses.count == 3)
    }

    @Test("Once there are enough addresses nobody else is asked")
    func enough() throws {
        var walk = try self.walk("/dnsaddr/0.example", AddressListLimits(addresses: 2))
        walk.told(self.texts(["/dnsaddr/1.example", "/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2"]), of: walk.next()[0])
        #expect(walk.next() == [])
    }

    @Test("Texts that are no addresses are passed over")
    func nonsense() throws {
        var walk = try self.walk("/dnsaddr/example.org")
        let list = walk.next()[0]
        walk.told(
            [
                [], Array("dnsaddr".utf8), Array("dnsaddr=".utf8), Array("DNSADDR=/ip4/1.2.3.4/tcp/1".utf8), Array("v=spf1 -all".utf8),
                Array("dnsaddr=/ip4/1.2.3.4/tcp/65536".utf8), [0xff, 0xfe], Array("dnsaddr=".utf8) + [0xff, 0x00],
                Array("dnsaddr=/dnsaddr/\(String(repeating: "a", count: 64)).example".utf8), Array("dnsaddr=/dnsaddr/..".utf8),
                Array("dnsaddr=/dnsaddr/a b".utf8), Array("dnsaddr=/ip4/1.2.3.4/tcp/7".utf8),
            ], of: list)
        #expect(walk.addresses.map(\.description) == ["/ip4/1.2.3.4/tcp/7"])
        #expect(walk.next() == [])
    }

    @Test(
        "What does not begin with /dnsaddr and the name of a domain is refused",
        arguments: [
            "/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/dnsaddr/example.org", "/dnsaddr/a..b", "/dnsaddr/a%b", "/dnsaddr/-.",
            "/dnsaddr/\(Array(repeating: "label", count: 42).joined(separator: "."))",
        ])
    func refused(address: String) throws {
        #expect(throws: TransportError(.invalidAddress, "")) { try self.walk(address) }
    }
}
