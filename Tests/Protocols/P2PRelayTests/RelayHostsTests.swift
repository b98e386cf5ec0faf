import NIOCore
import P2PCore
import P2PHost
import P2PIdentity
import P2PMultiaddr
import Synchronization
import Testing

@testable import P2PRelay

@Suite("Hosts that reach each other through a relay", .timeLimit(.minutes(2)))
struct RelayHostsTests {
    @Test("Bytes go through a circuit, between two ends that have proved who they are")
    func circuit() async throws {
        try await RelayHosts.run { hosts, target, source in
            try await hosts.reserve(target)
            #expect(hosts.service.statistics.reservations == 1)
            let connection = try await source.connect(to: hosts.address(of: target))
            #expect(connection.remotePeer == target.peerID && connection.isLimited && connection.isDialled)
            #expect(connection.remoteAddress.isRelayed && connection.security == "/noise" && connection.muxer == "/yamux/1.0.0")
            #expect(try await RelayHosts.say("hello", over: connection) == "hello")
            #expect(hosts.service.statistics.circuits == 1)
            let arrived = try #require(target.connections().first { $0.remotePeer == source.peerID })
            #expect(arrived.isLimited && !arrived.isDialled && arrived.remoteAddress.isRelayed)
            #expect(try await RelayHosts.say("and back", over: arrived) == "and back")
            await source.disconnect(target.peerID)
        }
    }

    @Test("Much that goes both ways through several circuits at once all comes back, however slowly its ends take it")
    func bulk() async throws {
        var limits = RelayServiceLimits()
        limits.circuitData = nil
        try await RelayHosts.run(limits) { hosts, target, _ in
            try await hosts.reserve(target)
            let address = try hosts.address(of: target)
            let size = 2 << 20
            let back = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<4 {
                    let host = try await RelayHosts.host(on: hosts.network, RelayClient())
                    group.addTask {
                        try await host.running { host in
                            let stream = try await host.connect(to: address).openStream(RelayHosts.Parrot.id)
                            async let sent: Void = {
                                for _ in 0..<(size / 65_536) { try await stream.write(bytes: [UInt8](repeating: 7, count: 65_536)) }
                                try await stream.finish()
                            }()
                            var received = 0
                            while let bytes = try await stream.read(upTo: 16_384) {
                                received += bytes.readableBytes
                                // Some are slower than their circuits.
                                if number % 2 == 0, received % 5 == 0 { try await Task.sleep(for: .milliseconds(1)) }
                            }
                            try await sent
                            return received
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(back == 4 * size)
        }
    }

    /// Has what modules have of their host.
    private final class Insider: HostModule {
        private let access = Mutex<(any HostAccess)?>(nil)
        var host: (any HostAccess)? { self.access.withLock { $0 } }

        func join(_ plan: inout HostPlan) async throws {
            let host = plan.host
            self.access.withLock { $0 = host }
        }
    }

    @Test("Of two places at one relay the first that ends leaves the connection protected for the other")
    func protection() async throws {
        try await RelayHosts.run { hosts, _, _ in
            let places = [try hosts.place, try await hosts.relay.listen(on: "/memory/0")[0].appending(.p2pCircuit)]
            let insider = Insider()
            let host = try await RelayHosts.host(on: hosts.network, RelayClient(), insider)
            try await host.running { host in
                let access = try #require(insider.host)
                for place in places { _ = try await host.listen(on: place) }
                try await Self.wait { Self.protections(host).contains(2) }
                access.stopListening(on: places[0])
                try await Self.wait { !Self.protections(host).contains(2) }
                #expect(Self.protections(host).contains(1))
            }
        }
    }

    /// For how many each connection is protected.
    private static func protections(_ host: PeerHost) -> [Int] {
        host.values().map { if case .protected(let names)? = $0.value.hold { names.count } else { 0 } }
    }

    private static func wait(until isSo: () -> Bool) async throws {
        while !isSo() { try await Task.sleep(for: .milliseconds(10)) }
    }

    @Test("A limited connection carries what opts in, and nothing else")
    func optingIn() async throws {
        try await RelayHosts.run { hosts, target, source in
            try await hosts.reserve(target)
            let connection = try await source.connect(to: hosts.address(of: target))
            let code = await Self.code { try await RelayHosts.say("x", over: connection, RelayHosts.ShyParrot.id) }
            #expect(code == .protocolNotSupported)
            // Whoever leaves it to the host which connection to use gets a limited one for what opts in only.
            let stream = try await source.openStream(to: target.peerID, protocols: [RelayHosts.Parrot.id])
            stream.reset()
            #expect(
                await Self.code { try await source.openStream(to: target.peerID, protocols: [RelayHosts.ShyParrot.id]).reset() }
                    == .limitedConnection)
        }
    }

    @Test("A direct connection takes over for new streams")
    func direct() async throws {
        try await RelayHosts.run { hosts, target, source in
            try await hosts.reserve(target)
            let limited = try await source.connect(to: hosts.address(of: target))
            #expect(limited.isLimited)
            let direct = try await source.connect(to: target.peerID, at: [target.listenAddresses[0]])
            #expect(!direct.isLimited)
            let stream = try await source.openStream(to: target.peerID, protocols: [RelayHosts.ShyParrot.id])
            try await stream.write(text: "x")
            try await stream.finish()
            #expect(try await stream.readText(upTo: 10) == "x")
        }
    }

    @Test("A relay without limits lends a connection like any other")
    func unlimited() async throws {
        var limits = RelayServiceLimits()
        limits.circuitData = nil
        limits.circuitDuration = nil
        try await RelayHosts.run(limits) { hosts, target, source in
            try await hosts.reserve(target)
            let connection = try await source.connect(to: hosts.address(of: target))
            #expect(!connection.isLimited && connection.remoteAddress.isRelayed)
            #expect(try await RelayHosts.say("x", over: connection, RelayHosts.ShyParrot.id) == "x")
        }
    }

    @Test("When a limit is reached, errors say whose, and how much of it was used")
    func exhausted() async throws {
        var limits = RelayServiceLimits()
        limits.circuitData = 64 * 1_024
        try await RelayHosts.run(limits) { hosts, target, source in
            try await hosts.reserve(target)
            let connection = try await source.connect(to: hosts.address(of: target))
            let relay = hosts.relay.peerID
            do {
                _ = try await RelayHosts.say(String(repeating: "x", count: 100_000), over: connection)
                Issue.record("more than the relay lends came through")
            } catch let error as StreamError {
                #expect(error.code == .connectionLost)
                #expect(error.message.contains("limited: 64 KiB of relay \(relay) were used"))
            }
        }
    }

    @Test("A peer without a place is not reached, and the error says why and where")
    func noPlace() async throws {
        try await RelayHosts.run { hosts, target, source in
            do {
                _ = try await source.connect(to: hosts.address(of: target))
                Issue.record("there is no place")
            } catch let error as DialError {
                #expect(error.attempts.first?.error.code == .relayRefused)
                #expect(error.message.contains("NO_RESERVATION (204)") && error.message.contains("\(hosts.relay.peerID)"))
            }
        }
    }

    @Test("Places are given, and circuits made, to whom the relay lets")
    func access() async throws {
        struct Nobody: RelayAccess {
            func mayConnect(_ connection: ConnectionInfo, to target: PeerID) async -> GateAnswer { false }
        }
        try await RelayHosts.run(access: Nobody()) { hosts, target, source in
            try await hosts.reserve(target)
            do {
                _ = try await source.connect(to: hosts.address(of: target))
                Issue.record("nobody may")
            } catch let error as DialError {
                #expect(error.message.contains("PERMISSION_DENIED (202)"))
            }
        }
    }

    @Test("What leads through two relays, through the target or to nobody is refused without dialing")
    func nested() async throws {
        try await RelayHosts.run { hosts, target, source in
            let relay = hosts.relay.peerID
            let wrong = try [
                Multiaddr("/p2p/\(relay)/p2p-circuit/p2p/\(target.peerID)/p2p-circuit/p2p/\(source.peerID)"),
                Multiaddr("\(hosts.relayAddress)/p2p-circuit/p2p-circuit/p2p/\(target.peerID)"),
                Multiaddr("\(hosts.relayAddress)/p2p-circuit/p2p/\(relay)"),
            ]
            for address in wrong {
                do {
                    let peer = try #require(address.peerID)
                    _ = try await source.connect(to: peer == source.peerID ? target.peerID : peer, at: [address.withoutPeerID])
                    Issue.record("\(address) leads nowhere")
                } catch let error as DialError {
                    #expect(error.attempts.first?.error.code == .invalidAddress, "\(error)")
                }
            }
            #expect(source.connections().isEmpty)
        }
    }

    @Test("Over a relay there is no other: a request that arrives on a circuit is refused")
    func relayOverRelay() async throws {
        try await RelayHosts.run { hosts, target, source in
            // The target is a relay itself.
            try await hosts.reserve(target)
            let connection = try await source.connect(to: hosts.address(of: target))
            for request in [HopMessage(.reserve), HopMessage(.connect, peer: hosts.relay.peerID)] {
                let stream = try await connection.openStream(Relay.hopID)
                try await stream.write(request.encoded.framed)
                let answer = try HopMessage(try #require(try await stream.readMessageBytes(upTo: Relay.maximumMessage)))
                #expect(answer == HopMessage(.status, status: .permissionDenied))
            }
            #expect(await Self.code { try await RelayHosts.say("x", over: connection, Relay.stopID) } == .protocolNotSupported)
        }
    }

    @Test("A circuit that is offered by a peer at which there is no place is refused before any handshake")
    func strangersOffer() async throws {
        try await RelayHosts.run { _, target, source in
            let connection = try await source.connect(to: target.peerID, at: [target.listenAddresses[0]])
            let stream = try await connection.openStream(Relay.stopID)
            try await stream.write(StopMessage(.connect, peer: source.peerID).encoded.framed)
            let answer = try StopMessage(try #require(try await stream.readMessageBytes(upTo: Relay.maximumMessage)))
            #expect(answer == StopMessage(.status, status: .permissionDenied))
        }
    }

    @Test(
        "Requests that are none are answered so, and cost nothing",
        arguments: [
            ([0x08, 0x02], RelayStatus.unexpectedMessage), ([0x08, 0x09], .unexpectedMessage), ([0x12], .malformedMessage),
            ([0x08, 0x01], .malformedMessage), ([0x08, 0x01, 0x12, 0x03, 0x0a, 0x01, 0x00], .malformedMessage),
        ] as [([UInt8], RelayStatus)])
    func wrongRequests(_ bytes: [UInt8], _ status: RelayStatus) async throws {
        try await RelayHosts.run { hosts, _, source in
            let connection = try await source.connect(to: hosts.relayAddress)
            let stream = try await connection.openStream(Relay.hopID)
            try await stream.write(bytes.framed)
            let answer = try HopMessage(try #require(try await stream.readMessageBytes(upTo: Relay.maximumMessage)))
            #expect(answer == HopMessage(.status, status: status))
            #expect(hosts.service.statistics.reservations == 0)
        }
    }

    @Test("A place is there again after the relay has closed the connection")
    func comesBack() async throws {
        try await RelayHosts.run { hosts, target, source in
            try await hosts.reserve(target)
            let events = target.events()
            await hosts.relay.disconnect(target.peerID)
            var seen: [String] = []
            for await event in events {
                if case .stoppedListening(let address) = event, address.isRelayed { seen.append("gone") }
                if case .listening(let address) = event, address.isRelayed {
                    seen.append("back")
                    break
                }
            }
            #expect(seen == ["gone", "back"])
            #expect(try await RelayHosts.say("x", over: try await source.connect(to: hosts.address(of: target))) == "x")
        }
    }

    private static func code(_ body: () async throws -> Any) async -> StreamError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? StreamError)?.code
        }
    }
}
