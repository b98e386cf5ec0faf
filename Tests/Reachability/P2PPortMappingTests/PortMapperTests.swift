import NIOCore
import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PPortMapping

@Suite("Rounds of port mapping")
struct PortMapperTests {
    private static let tcp = LocalPort(.tcp, 4001)
    private static let udp = LocalPort(.udp, 4001)
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static let network = MappingNetwork(interface: "eth0", client: Router.client, network: Router.network, gateway: Router.address)

    /// A network whose router speaks PCP, UPnP, both or nothing.
    private struct Scene {
        var mapper = PortMapper(seed: 5) { [UInt8](repeating: 4, count: 12) }
        var router = Router()
        var speaksPCP = true
        var speaksUPnP = true
        var external = IPAddress(v4: 0x2d21_0001)
        var pcpResult: UInt8 = 0
        var epoch = start
        var now = start
        var rounds = 0
        var datagrams = 0
        var released = 0

        mutating func run(for time: TimeAmount) {
            let end = self.now + time
            for _ in 0..<100_000 {
                let actions = self.mapper.poll(at: self.now)
                for action in actions { self.perform(action) }
                guard actions.isEmpty else { continue }
                guard let deadline = self.mapper.deadline, deadline <= end else { break }
                self.now = max(deadline, self.now)
            }
            self.now = end
        }

        private mutating func perform(_ action: PortMapper.Action) {
            let round = self.mapper.round
            switch action {
            case .begin: self.rounds += 1
            case .datagram(let bytes):
                self.datagrams += 1
                guard self.speaksPCP else { return }
                guard bytes.count == PCPMessage.mapLength else { return }
                let lifetime: UInt32 = bytes.number(at: 4)
                if lifetime == 0 { self.released += 1 }
                self.mapper.received(
                    Answers.pcp(
                        nonce: Array(bytes[24..<36]), transport: bytes[36], port: bytes.number(at: 40), external: bytes.number(at: 42),
                        lifetime: lifetime, epoch: UInt32((self.now - self.epoch).nanoseconds / 1_000_000_000), result: self.pcpResult,
                        address: self.external), round: round, at: self.now)
            case .search:
                guard self.speaksUPnP else { return }
                self.mapper.found(Router.answer, from: Router.address, round: round, at: self.now)
            case .request(let request): self.mapper.finished(request.id, self.router.reply(to: request), round: round, at: self.now)
            }
        }

        mutating func use(_ ports: [LocalPort]) { self.mapper.use(network, ports, at: self.now) }
    }

    @Test("PCP maps, and UPnP is left alone")
    func pcp() {
        var scene = Scene()
        scene.use([Self.tcp, Self.udp])
        scene.run(for: .seconds(11))
        let status = scene.mapper.status
        #expect(
            status.phase == .mapped && status.mappings.map(\.method) == [.pcp, .pcp]
                && status.mappings.map(\.local) == [Self.tcp, Self.udp])
        #expect(scene.router.count("AddPortMapping") == 0 && !status.isBehindAnotherNAT && status.failures.isEmpty)
        scene.run(for: .hours(24))
        #expect(scene.mapper.status.phase == .mapped && scene.rounds == 1)
        scene.mapper.close(at: scene.now)
        scene.run(for: .seconds(1))
        #expect(scene.released == 2 && scene.mapper.isClosed)
    }

    @Test("What PCP does not map, UPnP does", arguments: [true, false])
    func upnp(isSilent: Bool) {
        var scene = Scene()
        if isSilent { scene.speaksPCP = false } else { scene.pcpResult = 2 }
        scene.use([Self.tcp, Self.udp])
        scene.run(for: .milliseconds(isSilent ? 4_500 : 500))
        #expect(scene.mapper.status.mappings.map(\.method) == [.upnp, .upnp])
        scene.run(for: .hours(3))
        #expect(scene.mapper.status.phase == .mapped && scene.rounds == 1)
        scene.mapper.close(at: scene.now)
        scene.run(for: .seconds(1))
        #expect(scene.router.count("DeletePortMapping") == 2 && scene.mapper.isClosed)
    }

    @Test("Where nobody maps anything that is known after ten seconds; it is tried again after a quarter of an hour, then each hour")
    func nobody() {
        var scene = Scene()
        scene.speaksPCP = false
        scene.speaksUPnP = false
        scene.use([Self.tcp])
        scene.run(for: .seconds(3))
        #expect(scene.mapper.status.phase == .searching)
        scene.run(for: .seconds(7))
        #expect(scene.mapper.status.phase == .none && scene.mapper.status.failures.keys.contains(Self.tcp))
        scene.run(for: .minutes(40))
        #expect(scene.rounds == 3)
        scene.run(for: .hours(10))
        #expect((12...13).contains(scene.rounds) && scene.datagrams < 200)
        scene.speaksPCP = true
        scene.run(for: .hours(1))
        #expect(scene.mapper.status.phase == .mapped)
        #expect(scene.mapper.isClosed == false)
    }

    @Test(
        "An outer address that is not the internet's means another router",
        arguments: ["10.9.9.9", "100.64.1.2", "192.168.0.2", "45.33.0.1"])
    func doubleNAT(_ text: String) throws {
        var scene = Scene()
        scene.external = try #require(IPAddress(text))
        scene.use([Self.tcp])
        scene.run(for: .seconds(1))
        let status = scene.mapper.status
        #expect(status.phase == .mapped && status.isBehindAnotherNAT == (text != "45.33.0.1"))
        let listening: [Multiaddr] = ["/ip4/192.168.77.2/tcp/4001"]
        #expect(MappedAddresses.of(listening, status.mappings).isEmpty == status.isBehindAnotherNAT, "what nobody reaches is not announced")
    }

    @Test("ADDRESS_MISMATCH tells of another router, too")
    func mismatch() {
        var scene = Scene()
        scene.speaksUPnP = false
        scene.pcpResult = 12
        scene.use([Self.tcp])
        scene.run(for: .seconds(11))
        #expect(scene.mapper.status.isBehindAnotherNAT && scene.mapper.status.failures[Self.tcp]?.contains("ADDRESS_MISMATCH") == true)
    }

    @Test("Another network is asked anew, no network is asked for nothing, and one with a public address needs nobody")
    func networks() {
        var scene = Scene()
        scene.use([Self.tcp])
        scene.run(for: .seconds(1))
        let other = MappingNetwork(
            interface: "wlan0", client: IPAddress(v4: 0x0a00_0002), network: IPNetwork(IPAddress(v4: 0x0a00_0000), prefixLength: 24),
            gateway: IPAddress(v4: 0x0a00_0001))
        scene.mapper.use(other, [Self.tcp], at: scene.now)
        #expect(scene.mapper.status.mappings.isEmpty)
        scene.run(for: .seconds(1))
        #expect(scene.rounds == 2 && scene.mapper.status.mappings.map(\.localAddress) == [other.client])
        let before = scene.datagrams
        scene.mapper.use(nil, [Self.tcp], at: scene.now)
        scene.run(for: .hours(2))
        #expect(scene.mapper.status.phase == .idle && scene.datagrams == before)
        scene.mapper.use(other, [Self.tcp], isPublic: true, at: scene.now)
        scene.run(for: .hours(2))
        #expect(scene.mapper.status.phase == .notNeeded && scene.datagrams == before)
        scene.mapper.use(other, [], at: scene.now)
        scene.run(for: .hours(2))
        #expect(scene.mapper.status.phase == .idle && scene.datagrams == before)
    }

    @Test("A port more is mapped, and one less is given back")
    func ports() {
        var scene = Scene()
        scene.use([Self.tcp])
        scene.run(for: .seconds(1))
        scene.use([Self.tcp, Self.udp])
        scene.run(for: .seconds(1))
        #expect(scene.mapper.status.mappings.map(\.local) == [Self.tcp, Self.udp])
        scene.use([Self.udp])
        scene.run(for: .seconds(1))
        #expect(scene.mapper.status.mappings.map(\.local) == [Self.udp] && scene.released == 1 && scene.rounds == 1)
        scene.use([])
        scene.run(for: .seconds(1))
        #expect(scene.mapper.status.phase == .idle && scene.released == 2)
    }

    @Test("A router that is gone is looked for once a minute at most")
    func lost() {
        var scene = Scene()
        scene.use([Self.tcp])
        scene.run(for: .seconds(90))
        for _ in 0..<100 {
            scene.mapper.gatewayClosed(round: scene.mapper.round, at: scene.now)
            scene.run(for: .seconds(1))
        }
        #expect((2...4).contains(scene.rounds) && scene.mapper.status.phase == .mapped)
    }

    @Test("What belongs to another round is not heard")
    func stale() {
        var scene = Scene()
        scene.speaksPCP = false
        scene.use([Self.tcp])
        scene.run(for: .milliseconds(100))
        let answer = Answers.pcp(nonce: [UInt8](repeating: 4, count: 12), transport: 6, port: 4001, external: 1)
        scene.mapper.received(answer, round: 0, at: scene.now)
        #expect(scene.mapper.status.mappings.isEmpty)
        scene.mapper.received(answer, round: 1, at: scene.now)
        #expect(scene.mapper.status.mappings.map(\.externalPort) == [1])
    }
}

@Suite("What is mapped, and where it leads")
struct MappedAddressesTests {
    private static let network = MappingNetwork(interface: "eth0", client: Router.client, network: Router.network, gateway: Router.address)

    private static let listening: [Multiaddr] = [
        "/ip4/127.0.0.1/tcp/4001", "/ip4/192.168.77.2/tcp/4001", "/ip4/192.168.77.2/tcp/4001/ws", "/ip4/192.168.77.2/udp/4001/quic-v1",
        "/ip4/10.9.0.1/tcp/4001", "/ip6/::1/tcp/4001", "/ip4/192.168.77.2/tcp/4002",
    ]

    @Test("Ports are those of this node's address on the router's network; loopback is left alone")
    func ports() {
        #expect(Self.network.ports(of: Self.listening, only: nil) == [LocalPort(.tcp, 4001), LocalPort(.tcp, 4002), LocalPort(.udp, 4001)])
        #expect(Self.network.ports(of: Self.listening, only: [4001]) == [LocalPort(.tcp, 4001), LocalPort(.udp, 4001)])
        #expect(Self.network.ports(of: ["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001", "/memory/a"], only: nil) == [])
        let many = (1...100).map { Multiaddr(ip: Router.client, tcp: UInt16($0)) }
        #expect(Self.network.ports(of: many, only: nil).count == MappingLimits.ports)
    }

    @Test("Every protocol of a mapped port is announced, WebSockets on a shared port included")
    func addresses() {
        let mapping = { (port: LocalPort, external: UInt16, address: IPAddress?) in
            PortMappingStatus.Mapping(
                local: port, localAddress: Router.client, externalPort: external, externalAddress: address, method: .pcp)
        }
        let outer = IPAddress(v4: 0x2d21_0001)
        #expect(
            MappedAddresses.of(Self.listening, [mapping(LocalPort(.tcp, 4001), 5_000, outer), mapping(LocalPort(.udp, 4001), 4001, outer)])
                == ["/ip4/45.33.0.1/tcp/5000", "/ip4/45.33.0.1/tcp/5000/ws", "/ip4/45.33.0.1/udp/4001/quic-v1"])
        #expect(MappedAddresses.of(Self.listening, [mapping(LocalPort(.tcp, 4001), 5_000, nil)]) == [])
        #expect(MappedAddresses.of(Self.listening, [mapping(LocalPort(.tcp, 9), 5_000, outer)]) == [])
    }

    @Test("The default route is the one with the lowest metric")
    func routes() throws {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        let table =
            head
            + "wlan0\t00000000\t014DA8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\neth0\t00000000\t014EA8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
            + "eth0\t004EA8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        let route = try #require(DefaultRoute(table: table))
        #expect(route.interface == "eth0")
        // The kernel writes the address in the order of the host's bytes; this table is a little-endian machine's.
        if UInt32(1).littleEndian == 1 { #expect(route.gateway == IPAddress(v4: 0xc0a8_4e01)) }
        for table in ["", head, head + "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n", head + "rubbish\n\n\t\t"] {
            #expect(DefaultRoute(table: table) == nil)
        }
    }

    @Test("A machine has a network to ask only where its route leads through it")
    func networks() throws {
        let machine = LocalNetworks([
            LocalNetworks.Link(name: "lo", index: 1, prefixes: [InterfaceAddress(address: .loopbackV4, length: 8)]),
            LocalNetworks.Link(name: "eth0", index: 2, prefixes: [InterfaceAddress(address: Router.client, length: 24)]),
        ])
        #expect(MappingNetwork(DefaultRoute(interface: "eth0", gateway: Router.address), in: machine) == Self.network)
        #expect(MappingNetwork(DefaultRoute(interface: "eth1", gateway: Router.address), in: machine) == nil)
        #expect(MappingNetwork(DefaultRoute(interface: "eth0", gateway: IPAddress(v4: 0x0a00_0001)), in: machine) == nil)
        #expect(MappingNetwork(nil, in: machine) == nil && !MappingNetwork.isPublic(machine))
        let server = LocalNetworks([
            LocalNetworks.Link(name: "eth0", index: 2, prefixes: [InterfaceAddress(address: IPAddress(v4: 0x2d21_0002), length: 24)])
        ])
        #expect(MappingNetwork.isPublic(server))
    }
}
