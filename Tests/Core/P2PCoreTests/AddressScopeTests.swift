import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PCore

@Suite("Which address goes to whom")
struct AddressScopeTests {
    /// A laptop: a wireless network with both families, a VPN, a bridge for containers.
    private static let networks = LocalNetworks([
        LocalNetworks.Link(name: "lo", index: 1, prefixes: [prefix("127.0.0.1/8"), prefix("::1/128")]),
        LocalNetworks.Link(
            name: "wlan0", index: 2,
            prefixes: [prefix("192.168.1.7/24"), prefix("fd12:3456:789a:1::7/64"), prefix("2a00:1:2:3::7/64"), prefix("fe80::7/64")]),
        LocalNetworks.Link(name: "tun0", index: 3, prefixes: [prefix("10.8.0.2/24")]),
        LocalNetworks.Link(name: "docker0", index: 4, prefixes: [prefix("172.17.0.1/16"), prefix("fe80::42/64")]),
    ])

    private static let judge = AddressJudge(Self.networks)

    private static func prefix(_ text: String) -> InterfaceAddress {
        let parts = text.split(separator: "/").map(String.init)
        return InterfaceAddress(address: IPAddress(parts[0]) ?? .unspecifiedV6, length: Int(parts[1]) ?? 0)
    }

    /// Places where another was met.
    enum Place: String, CaseIterable {
        case host, wireless, wireless6, link, vpn, routed, internet, relay, memory

        var meeting: Meeting {
            let (remote, local): (Multiaddr, Multiaddr) =
                switch self {
                case .host: ("/ip4/127.0.0.1/tcp/5000", "/ip4/127.0.0.1/tcp/4001")
                case .wireless: ("/ip4/192.168.1.9/tcp/5000", "/ip4/192.168.1.7/tcp/4001")
                case .wireless6: ("/ip6/fd12:3456:789a:1::9/tcp/5000", "/ip6/fd12:3456:789a:1::7/tcp/4001")
                case .link: ("/ip6zone/2/ip6/fe80::9/tcp/5000", "/ip6zone/2/ip6/fe80::7/tcp/4001")
                case .vpn: ("/ip4/10.8.0.9/tcp/5000", "/ip4/10.8.0.2/tcp/4001")
                case .routed: ("/ip4/192.168.77.9/tcp/5000", "/ip4/192.168.1.7/tcp/4001")
                case .internet: ("/ip4/8.8.8.8/tcp/5000", "/ip4/192.168.1.7/tcp/4001")
                case .relay:
                    (
                        "/ip4/192.168.1.9/tcp/1/p2p/12D3KooWSDaiMbEoXtJaEVDA82BELfLkJsm8Vdkhw8YLjdFs8WfG/p2p-circuit",
                        "/ip4/192.168.1.7/tcp/4001"
                    )
                case .memory: ("/memory/b", "/memory/a")
                }
            return Meeting(remote: remote, local: local)
        }
    }

    /// An address, and where it is believed and told.
    struct Row: CustomTestStringConvertible {
        let address: Multiaddr
        let believed: Set<Place>
        let told: Set<Place>
        var testDescription: String { self.address.description }

        init(_ address: Multiaddr, _ places: Set<Place>, told: Set<Place>? = nil) {
            self.address = address
            self.believed = places
            self.told = told ?? places
        }
    }

    private static let everywhere = Set(Place.allCases)
    private static let here: Set<Place> = [.host, .memory]
    private static let wireless: Set<Place> = [.wireless, .wireless6, .link, .routed]

    static let table: [Row] = [
        // The internet's, and what says nothing by itself.
        Row("/ip4/1.2.3.4/tcp/1", Self.everywhere), Row("/ip6/2a00:1::1/udp/1/quic-v1", Self.everywhere),
        Row("/ip6/64:ff9b::808:808/tcp/1", Self.everywhere), Row("/ip6/2002:808:808::1/tcp/1", Self.everywhere),
        Row("/ip6/::ffff:8.8.8.8/tcp/1", Self.everywhere), Row("/dns4/example.org/tcp/1", Self.everywhere),
        Row("/dnsaddr/example.org", Self.everywhere),
        // This machine's.
        Row("/ip4/127.0.0.1/tcp/22", Self.here), Row("/ip4/127.9.9.9/tcp/22", Self.here), Row("/ip6/::1/tcp/22", Self.here),
        Row("/ip6/::ffff:127.0.0.1/tcp/22", Self.here), Row("/memory/x", Self.here), Row("/unix/run/docker.sock", Self.here),
        Row("/dns4/localhost/tcp/22", Self.here), Row("/dns/LOCALHOST./tcp/22", Self.here), Row("/dns6/db.localhost/tcp/22", Self.here),
        Row("/dnsaddr/localhost", Self.here),
        // Our own address in a network, one beside it, and one behind a router.
        Row("/ip4/192.168.1.7/tcp/1", Self.wireless.union(Self.here)),
        Row("/ip4/192.168.1.8/tcp/1", Self.wireless, told: Self.wireless.union(Self.here)),
        Row("/ip4/192.168.50.1/tcp/1", [.wireless, .routed], told: [.wireless, .routed, .host, .memory]),
        Row("/ip6/::ffff:192.168.1.8/tcp/1", Self.wireless, told: Self.wireless.union(Self.here)),
        Row("/ip6/fd12:3456:789a:1::8/tcp/1", Self.wireless, told: Self.wireless.union(Self.here)),
        Row("/ip6/fd12:3456:789a:2::8/tcp/1", [.wireless6], told: [.wireless6, .host, .memory]),
        Row("/ip6/fd99::8/tcp/1", [], told: Self.here),
        // Of other networks of ours, which are nobody's business there.
        Row("/ip4/10.8.0.2/tcp/1", Self.here.union([.vpn])), Row("/ip4/10.8.0.1/tcp/1", [.vpn], told: Self.here.union([.vpn])),
        Row("/ip4/10.9.0.1/tcp/1", [.vpn], told: Self.here.union([.vpn])), Row("/ip4/172.17.0.1/tcp/1", Self.here),
        Row("/ip4/172.17.0.2/tcp/1", [], told: Self.here),
        // Of networks that we are not in.
        Row("/ip4/100.64.0.1/tcp/1", [], told: Self.here), Row("/ip4/169.254.169.254/tcp/80", [], told: Self.here),
        Row("/ip4/203.0.113.1/tcp/1", [], told: Self.here), Row("/ip4/198.18.0.1/tcp/1", [], told: Self.here),
        Row("/ip4/240.0.0.1/tcp/1", [], told: Self.here), Row("/ip6/2001:db8::1/tcp/1", [], told: Self.here),
        Row("/ip6/64:ff9b:1::1/tcp/1", [], told: Self.here), Row("/ip6/200::1/tcp/1", [], told: Self.here),
        // Nobody's.
        Row("/ip4/0.0.0.0/tcp/1", []), Row("/ip4/0.1.2.3/tcp/1", []), Row("/ip6/::/tcp/1", []), Row("/ip4/224.0.0.251/udp/1", []),
        Row("/ip4/255.255.255.255/udp/1", []), Row("/ip6/ff02::1/udp/1", []), Row("/ip6/::127.0.0.1/tcp/1", []),
        Row("/ip6/64:ff9b::7f00:1/tcp/1", []), Row("/ip6/64:ff9b::c0a8:107/tcp/1", []), Row("/ip6/2002:7f00:1::1/tcp/1", []),
        Row("/ip6/::ffff:0.0.0.0/tcp/1", []),
        // A link's: kept with our zone, told without, and nothing that comes with a zone.
        Row("/ip6/fe80::8/tcp/1", [.link], told: []), Row("/ip6zone/eth7/ip6/fe80::8/tcp/1", [], told: []),
        Row("/ip6zone/2/ip6/fe80::7/tcp/1", [], told: [.link]),
        Row("/ip6zone/docker0/ip6/fe80::42/tcp/1", [], told: []),
        Row("/ip6zone/wlan0/ip6/2a00:1::1/tcp/1", [], told: Self.everywhere),
        // A relay counts as what it is itself.
        Row("/ip4/127.0.0.1/tcp/1/p2p/12D3KooWSDaiMbEoXtJaEVDA82BELfLkJsm8Vdkhw8YLjdFs8WfG/p2p-circuit", Self.here),
        Row("/ip4/1.2.3.4/tcp/1/p2p/12D3KooWSDaiMbEoXtJaEVDA82BELfLkJsm8Vdkhw8YLjdFs8WfG/p2p-circuit", Self.everywhere),
    ]

    @Test("Told and believed", arguments: Self.table)
    func passes(_ row: Row) {
        for place in Place.allCases {
            let (believed, told) = (
                Self.judge.believed(row.address, toldAt: place.meeting), Self.judge.told(row.address, at: place.meeting)
            )
            #expect((believed != nil) == row.believed.contains(place), "believed from \(place): \(believed?.description ?? "no")")
            #expect((told != nil) == row.told.contains(place), "told at \(place): \(told?.description ?? "no")")
            #expect(told?.zone == nil, "a zone of ours is told at \(place)")
        }
    }

    @Test("An address of a link is kept with the zone of our own interface, and told on that link alone, without one")
    func links() throws {
        let told: Multiaddr = "/ip6/fe80::8/tcp/1"
        #expect(Self.judge.believed(told, toldAt: Place.link.meeting)?.description == "/ip6zone/2/ip6/fe80::8/tcp/1")
        let own: Multiaddr = "/ip6zone/wlan0/ip6/fe80::7/tcp/1"
        #expect(Self.judge.told(own, at: Place.link.meeting)?.description == "/ip6/fe80::7/tcp/1")
        for place in Place.allCases where place != .link { #expect(Self.judge.told(own, at: place.meeting) == nil) }
        #expect(Self.judge.told("/ip6zone/docker0/ip6/fe80::42/tcp/1", at: Place.link.meeting) == nil)
    }

    @Test("The very address at which a peer was met is believed, whatever it is")
    func metThere() {
        let meeting = Meeting(remote: "/ip4/203.0.113.5/tcp/5000", local: "/ip4/192.168.1.7/tcp/4001")
        #expect(Self.judge.believed("/ip4/203.0.113.5/tcp/4001", toldAt: meeting) != nil)
        #expect(Self.judge.believed("/ip4/203.0.113.6/tcp/4001", toldAt: meeting) != nil)
        #expect(Self.judge.believed("/ip4/198.51.100.6/tcp/4001", toldAt: meeting) == nil)
        #expect(Self.judge.believed("/ip4/127.0.0.1/tcp/4001", toldAt: meeting) == nil)
    }

    @Test(
        "What is remembered with where it holds is dialled there",
        arguments: [
            (.host, "/ip4/192.168.1.7/tcp/1", "host", "internet"), (.wireless, "/ip4/192.168.1.8/tcp/1", "192.168.1.0/24", "internet"),
            (.wireless6, "/ip6/fd12:3456:789a:1::8/tcp/1", "fd12:3456:789a:1::/64", "internet"),
            (.link, "/ip4/192.168.1.8/tcp/1", "fd12:3456:789a:1::/64", "internet"),
            (.vpn, "/ip4/10.8.0.1/tcp/1", "10.8.0.0/24", "internet"), (.routed, "/ip4/192.168.77.9/tcp/1", "192.168.1.0/24", "internet"),
            (.internet, "/dns4/example.org/tcp/1", "internet", "internet"),
        ] as [(Place, Multiaddr, String, String)])
    func origins(_ place: Place, _ address: Multiaddr, _ origin: String, _ ofPublic: String) {
        #expect(Self.judge.origin(of: address, toldAt: place.meeting)?.rawValue == origin)
        #expect(Self.judge.origin(of: "/ip4/1.2.3.4/tcp/1", toldAt: place.meeting)?.rawValue == ofPublic)
    }

    /// Whether an address of the store is dialled, on the laptop and after it has been carried elsewhere.
    @Test(
        "Dialled from the store",
        arguments: [
            ("/ip4/1.2.3.4/tcp/1", .identify, "internet", true, true), ("/ip4/1.2.3.4/tcp/1", .identify, nil, true, true),
            ("/ip4/127.0.0.1/tcp/1", .identify, "host", true, true), ("/ip4/127.0.0.1/tcp/1", .certified, "internet", false, false),
            ("/ip4/127.0.0.1/tcp/1", .discovery, "192.168.1.0/24", false, false), ("/ip4/127.0.0.1/tcp/1", .connected, nil, true, true),
            ("/ip4/192.168.1.8/tcp/1", .connected, "192.168.1.0/24", true, false),
            ("/ip4/192.168.77.8/tcp/1", .connected, "192.168.1.0/24", true, false),
            ("/ip4/192.168.1.8/tcp/1", .certified, "192.168.1.0/25", false, false),
            ("/ip4/192.168.1.8/tcp/1", .certified, "internet", false, false),
            ("/ip4/192.168.1.8/tcp/1", .certified, "nonsense", false, false),
            ("/ip4/192.168.1.8/tcp/1", .certified, nil, true, false), ("/ip4/192.168.1.8/tcp/1", .given, nil, true, true),
            ("/ip4/127.0.0.1/tcp/1", .given, "internet", true, true), ("/ip4/192.168.1.7/tcp/1", .identify, "host", true, false),
            ("/ip4/10.66.0.8/tcp/1", .connected, "10.66.0.0/24", false, true), ("/ip4/10.66.0.8/tcp/1", .discovery, nil, true, true),
            ("/ip6zone/wlan0/ip6/fe80::8/tcp/1", .connected, nil, true, false),
            ("/ip6zone/2/ip6/fe80::8/tcp/1", .connected, nil, true, false),
            ("/ip6/fe80::8/tcp/1", .connected, nil, false, false), ("/ip4/0.0.0.0/tcp/1", .connected, nil, false, false),
            ("/ip6/ff02::1/udp/1/quic-v1", .identify, "internet", false, false),
            ("/ip6/64:ff9b::7f00:1/tcp/1", .identify, nil, false, false),
            ("/dns4/example.org/tcp/1", .identify, "internet", true, true), ("/unix/run/x", .identify, "internet", false, false),
            ("/dns4/localhost/tcp/1", .identify, "internet", false, false),
        ] as [(Multiaddr, AddressSource, String?, Bool, Bool)])
    func dialled(_ address: Multiaddr, _ source: AddressSource, _ origin: String?, _ isDialled: Bool, _ isDialledElsewhere: Bool) {
        let known = KnownAddress(address, source: source, origin: origin.map { AddressOrigin(rawValue: $0) })
        let elsewhere = AddressJudge(
            LocalNetworks([LocalNetworks.Link(name: "eth0", index: 7, prefixes: [Self.prefix("10.66.0.3/24")])]))
        #expect((Self.judge.objection(to: known) == nil) == isDialled)
        #expect((elsewhere.objection(to: known) == nil) == isDialledElsewhere)
    }

    /// What a name may resolve to, by who told it.
    @Test(
        "Names lead no further than their teller could have",
        arguments: [
            ("8.8.8.8", [.identify: "internet", .discovery: nil], true),
            ("127.0.0.1", [.identify: "internet", .certified: "192.168.1.0/24"], false),
            ("127.0.0.1", [.discovery: nil, .identify: nil], false), ("127.0.0.1", [.identify: "host", .given: nil], true),
            ("::1", [.identify: "internet"], false), ("192.168.1.1", [.identify: "internet", .certified: nil], false),
            ("192.168.1.1", [.identify: "192.168.1.0/24", .discovery: nil, .given: nil], true),
            ("fe80::1", [.identify: "192.168.1.0/24"], false),
            ("::ffff:127.0.0.1", [.identify: "internet"], false), ("0.0.0.0", [.identify: "internet", .discovery: nil], false),
            ("64:ff9b::c0a8:101", [.identify: "internet"], false),
            ("169.254.169.254", [.identify: "internet", .certified: "192.168.1.0/24"], false),
        ] as [(String, [AddressSource: String?], Bool)])
    func names(_ text: String, _ tellers: [AddressSource: String?], _ mayReach: Bool) throws {
        let ip = try #require(IPAddress(text))
        for (source, origin) in tellers {
            let known = KnownAddress("/dns4/example.org/tcp/1", source: source, origin: origin.map { AddressOrigin(rawValue: $0) })
            let isAllowed = Self.judge.mayReach(ip, namedBy: known)
            // Private addresses belong to the range where the name was told.
            #expect(isAllowed == mayReach, "\(source), \(origin ?? "nil")")
        }
    }

    @Test("A packet's interface says where its sender is")
    func packets() throws {
        let (ip, six) = (try #require(IPAddress("192.168.1.9")), try #require(IPAddress("fe80::9")))
        for sender in [ip, six] {
            let meeting = Meeting(from: sender, on: "wlan0", isLoopback: false)
            #expect(Self.judge.believed("/ip4/192.168.1.8/tcp/1", toldAt: meeting) != nil)
            #expect(Self.judge.believed("/ip6/fe80::8/tcp/1", toldAt: meeting)?.description == "/ip6zone/wlan0/ip6/fe80::8/tcp/1")
            #expect(Self.judge.believed("/ip4/10.8.0.1/tcp/1", toldAt: meeting) == nil)
            #expect(Self.judge.believed("/ip4/127.0.0.1/tcp/1", toldAt: meeting) == nil)
            #expect(Self.judge.believed("/unix/run/docker.sock", toldAt: meeting) == nil)
        }
        let near = Meeting(from: .loopbackV4, on: "lo", isLoopback: true)
        #expect(Self.judge.believed("/ip4/127.0.0.1/tcp/1", toldAt: near) != nil)
        #expect(Self.judge.believed("/ip4/192.168.1.7/tcp/1", toldAt: near) != nil)
        #expect(Self.judge.believed("/ip4/192.168.1.1/tcp/1", toldAt: near) == nil)
    }

    @Test("Changes of one peer are put together: the newest introduction, every address once")
    func merging() throws {
        let peer = try PeerID(PrivateKey.generate(.ed25519).publicKey)
        func addresses(_ change: PeerChange) -> [String] { change.additions.map { "\($0.known.address) \($0.known.source.rawValue)" } }
        var change = PeerChange(of: peer)
        change.isSeen = true
        change.add(KnownAddress("/ip4/1.2.3.4/tcp/1", source: .connected), timeToLive: .seconds(60))
        var told = PeerChange(of: peer)
        told.introduction = Introduction(listenAddresses: ["/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2"], agentVersion: "a")
        told.origin = .internet
        for port in ["1", "2"] {
            told.add(
                KnownAddress(try Multiaddr("/ip4/1.2.3.4/tcp/\(port)"), source: .identify, origin: .internet), timeToLive: .seconds(30))
        }
        change.merge(told)
        #expect(addresses(change) == ["/ip4/1.2.3.4/tcp/1 connected", "/ip4/1.2.3.4/tcp/2 identify"])
        #expect(change.additions.map(\.timeToLive) == [.seconds(60), .seconds(30)])
        #expect(change.additions.allSatisfy { $0.known.origin == .internet })
        var later = PeerChange(of: peer)
        later.introduction = Introduction(listenAddresses: ["/ip4/1.2.3.4/tcp/3"], agentVersion: "b")
        later.origin = .internet
        later.renewal = .seconds(5)
        later.add(KnownAddress("/ip4/1.2.3.4/tcp/3", source: .identify, origin: .internet), timeToLive: .seconds(30))
        change.merge(later)
        #expect(addresses(change) == ["/ip4/1.2.3.4/tcp/1 connected", "/ip4/1.2.3.4/tcp/3 identify"])
        #expect(change.isSeen && change.introduction?.agentVersion == "b" && change.renewal == .seconds(5))
        for port in 0..<1_000 {
            change.add(KnownAddress(Multiaddr(ip: .loopbackV4, tcp: UInt16(port)), source: .discovery), timeToLive: .seconds(1))
        }
        #expect(change.additions.count == PeerChange.additionLimit)
    }
}
