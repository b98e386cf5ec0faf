import NIOCore
import P2PCore
import P2PHost
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import Synchronization
import Testing

@testable import P2PRelay

@Suite("Relays, and those at both ends of a circuit, that keep to no rule", .timeLimit(.minutes(2)))
struct HostileRelayTests {
    /// Has a place, and never answers a relay.
    private struct Silent: ProtocolHandler {
        let protocolIDs = [Relay.stopID]

        func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
            while try await stream.read() != nil {}
        }
    }

    /// Takes a circuit, and nothing of what comes through it until it may.
    private final class Late: ProtocolHandler {
        let protocolIDs = [Relay.stopID]
        let mayRead = Signal()
        /// It says its own end, when it has read everything.
        let mayEnd = Signal()
        /// Bytes that it says before it reads.
        private let saying: Int
        private let received = Mutex<Result<Int, StreamError>?>(nil)
        var outcome: Result<Int, StreamError>? { self.received.withLock { $0 } }

        init(saying: Int) { self.saying = saying }

        func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
            _ = try await stream.readMessageBytes(upTo: Relay.maximumMessage)
            try await stream.write(StopMessage(.status, status: .ok).encoded.framed)
            await self.mayRead.wait()
            let outcome: Result<Int, StreamError>
            do throws(StreamError) {
                if self.saying > 0 { try await stream.write(bytes: [UInt8](repeating: 1, count: self.saying)) }
                var count = 0
                while let bytes = try await stream.read() { count += bytes.readableBytes }
                outcome = .success(count)
            } catch {
                outcome = .failure(error)
            }
            self.received.withLock { $0 = outcome }
            await self.mayEnd.wait()
        }
    }

    /// Has a source say more than the target takes, and leave; `body` gets what is left.
    private func saidAndGone(
        _ limits: RelayServiceLimits, saying: Int = 0, stopping: Bool = false,
        _ body: @escaping @Sendable (_ service: RelayService, _ target: Late, _ size: Int) async throws -> Void
    ) async throws {
        try await RelayHosts.run(limits) { hosts, _, _ in
            let late = Late(saying: saying)
            let target = try await RelayHosts.host(on: hosts.network, late)
            let size = 400_000
            try await target.running { target in
                #expect(try await Self.ask(HopMessage(.reserve), try await target.connect(to: hosts.relayAddress)).status == .ok)
                let source = try await RelayHosts.host(on: hosts.network, RelayClient())
                try await source.running { source in
                    let connection = try await source.connect(to: hosts.relayAddress)
                    let stream = try await connection.openStream(Relay.hopID)
                    try await stream.write(HopMessage(.connect, peer: target.peerID).encoded.framed)
                    let answer = try #require(try await stream.readMessageBytes(upTo: Relay.maximumMessage))
                    #expect(try HopMessage(answer).status == .ok)
                    try await stream.write(bytes: [UInt8](repeating: 7, count: size))
                    try await stream.finish()
                    await connection.close()
                }
                try await Self.wait("the source is gone") { !hosts.relay.connections().contains { $0.remotePeer == source.peerID } }
                try await body(hosts.service, late, size)
                if stopping {
                    // The target reads nothing meanwhile.
                    hosts.relay.shutDown()
                    try await Self.wait("the relay has let go of the rest") { hosts.service.statistics.circuits == 0 }
                }
                late.mayRead.fire()
                late.mayEnd.fire()
            }
        }
    }

    @Test(
        "What a source has said to the end reaches a target that reads late, or first says more than fits, and the circuit counts until it has left",
        arguments: [0, 1_000_000])
    func sourceThatLeaves(saying: Int) async throws {
        var limits = RelayServiceLimits()
        (limits.circuitDuration, limits.circuitData) = (nil, nil)
        try await self.saidAndGone(limits, saying: saying) { service, target, size in
            #expect(service.statistics.circuits == 1)
            target.mayRead.fire()
            try await Self.wait("the target has had everything") { target.outcome != nil }
            #expect(target.outcome == .success(size))
            #expect(service.statistics.circuits == 1)
            target.mayEnd.fire()
            try await Self.wait("no circuit is left") { service.statistics.circuits == 0 }
            #expect(service.statistics.bytes == UInt64(size))
        }
    }

    @Test(
        "A target that says on and on to a source that has gone is told by a reset, at the latest when it has said what may pass",
        arguments: [(nil, 20 * 1_024 * 1_024), (1_024 * 1_024, 2 * 1_024 * 1_024)] as [(Int?, Int)])
    func targetThatSaysTooMuch(limit: Int?, saying: Int) async throws {
        var limits = RelayServiceLimits()
        (limits.circuitDuration, limits.circuitData) = (nil, limit)
        try await self.saidAndGone(limits, saying: saying) { service, target, _ in
            target.mayRead.fire()
            try await Self.wait("the target has heard") { target.outcome != nil }
            guard case .failure(let error) = target.outcome else { return #expect(Bool(false), "everything was swallowed") }
            #expect(error.code == .reset && error.resetCode == .resourceLimitExceeded)
            try await Self.wait("no circuit is left") { service.statistics.circuits == 0 }
        }
    }

    @Test("A target that has taken everything and does not come to its own end costs the circuit's time, and no more")
    func targetThatNeverEnds() async throws {
        var limits = RelayServiceLimits()
        (limits.circuitDuration, limits.circuitData) = (.seconds(6), 1 << 20)
        try await self.saidAndGone(limits) { service, target, size in
            target.mayRead.fire()
            try await Self.wait("the target has had everything") { target.outcome != nil }
            #expect(target.outcome == .success(size) && service.statistics.circuits == 1)
            try await Self.wait("no circuit is left") { service.statistics.circuits == 0 }
            #expect(service.statistics.bytes == UInt64(size))
        }
    }

    @Test("A target that does not take the rest of a circuit costs the circuit's time, and hears of that by a reset")
    func targetThatNeverTakes() async throws {
        var limits = RelayServiceLimits()
        (limits.circuitDuration, limits.circuitData) = (.seconds(6), 1 << 20)
        try await self.saidAndGone(limits) { service, target, _ in
            #expect(service.statistics.circuits == 1 && service.statistics.bytes == 0)
            try await Self.wait("no circuit is left") { service.statistics.circuits == 0 }
            target.mayRead.fire()
            try await Self.wait("the target has heard") { target.outcome != nil }
            guard case .failure(let error) = target.outcome else { return #expect(Bool(false), "it was told that this was all") }
            #expect(error.code == .reset && error.resetCode == .resourceLimitExceeded)
        }
    }

    /// Takes a circuit, says its own end, and reads a little.
    private struct Brief: ProtocolHandler {
        let protocolIDs = [Relay.stopID]
        let hasRead = Signal()

        func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
            _ = try await stream.readMessageBytes(upTo: Relay.maximumMessage)
            try await stream.write(StopMessage(.status, status: .ok).encoded.framed)
            try await stream.finish()
            _ = try await stream.readExactly(10_000)
            self.hasRead.fire()
            try await Task.sleep(for: .seconds(60))
        }
    }

    @Test("Who still speaks to a target that had said its end, and goes, is told that nobody hears it")
    func targetThatGoesInTheMiddle() async throws {
        var limits = RelayServiceLimits()
        (limits.circuitDuration, limits.circuitData) = (nil, nil)
        try await RelayHosts.run(limits) { hosts, _, source in
            let brief = Brief()
            let target = try await RelayHosts.host(on: hosts.network, brief)
            let stream = try await target.running { target in
                #expect(try await Self.ask(HopMessage(.reserve), try await target.connect(to: hosts.relayAddress)).status == .ok)
                let stream = try await source.connect(to: hosts.relayAddress).openStream(Relay.hopID)
                try await stream.write(HopMessage(.connect, peer: target.peerID).encoded.framed)
                let answer = try #require(try await stream.readMessageBytes(upTo: Relay.maximumMessage))
                #expect(try HopMessage(answer).status == .ok)
                try await stream.write(bytes: [UInt8](repeating: 7, count: 10_000))
                await brief.hasRead.wait()
                return stream
            }
            let code = await errorCode {
                for _ in 0..<100 { try await stream.write(bytes: [UInt8](repeating: 7, count: 100_000)) }
                try await stream.finish()
            }
            #expect(code == .reset)
            try await Self.wait("no circuit is left") { hosts.service.statistics.circuits == 0 }
        }
    }

    @Test("A relay that stops while the rest of a circuit waits for its taker does not wait for it")
    func relayThatStops() async throws {
        var limits = RelayServiceLimits()
        (limits.circuitDuration, limits.circuitData) = (nil, nil)
        try await self.saidAndGone(limits, stopping: true) { service, _, _ in
            #expect(service.statistics.circuits == 1)
        }
    }

    private static func ask(_ message: HopMessage, _ connection: PeerConnection) async throws -> HopMessage {
        let stream = try await connection.openStream(Relay.hopID)
        try await stream.write(message.encoded.framed)
        return try HopMessage(try #require(try await stream.readMessageBytes(upTo: Relay.maximumMessage)))
    }

    /// Waits until something is so, for as long as a busy machine may take.
    private static func wait(_ comment: String, until isSo: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(40)
        while !isSo(), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
        let isThere = isSo()
        #expect(isThere, "\(comment)")
    }

    @Test("A target that never answers costs the time that it has, a quarter of a minute as a rule, and nothing is left of it")
    func silentTarget() async throws {
        #expect(HopProtocol.stopTimeout == .seconds(15))
        try await RelayHosts.run(stopTimeout: .seconds(1)) { hosts, _, source in
            let silent = try await RelayHosts.host(on: hosts.network, Silent())
            try await silent.running { silent in
                let place = try await Self.ask(HopMessage(.reserve), try await silent.connect(to: hosts.relayAddress))
                #expect(place.status == .ok)
                let relay = try await source.connect(to: hosts.relayAddress)
                let began = ContinuousClock.now
                let answer = try await Self.ask(HopMessage(.connect, peer: silent.peerID), relay)
                #expect(answer == HopMessage(.status, status: .connectionFailed))
                #expect(ContinuousClock.now - began >= .milliseconds(900))
                // The answer is told before the circuit is taken off.
                try await Self.wait("no circuit is left") { hosts.service.statistics.circuits == 0 }
                #expect(hosts.service.statistics.reservations == 1)
            }
        }
    }

    /// Has the relay's host offer a circuit by hand.
    private static func offer(_ source: PeerID, _ connection: PeerConnection) async throws -> (PeerStream, RelayStatus?) {
        let stream = try await connection.openStream(Relay.stopID)
        try await stream.write(StopMessage(.connect, peer: source).encoded.framed)
        let answer = try await stream.readMessageBytes(upTo: Relay.maximumMessage)
        return (stream, try answer.map { try StopMessage($0) }?.status)
    }

    @Test("Circuits that a relay offers and nobody uses are bounded; one from ourselves, or from the relay, is none")
    func offers() async throws {
        try await RelayHosts.run { hosts, target, source in
            try await hosts.reserve(target)
            let connection = try #require(hosts.relay.connections().first { $0.remotePeer == target.peerID })
            for peer in [target.peerID, hosts.relay.peerID] {
                #expect(try await Self.offer(peer, connection).1 == .permissionDenied)
            }
            var streams: [PeerStream] = []
            var statuses: [RelayStatus?] = []
            for _ in 0..<100 {
                let (stream, status) = try await Self.offer(PeerID(try PrivateKey.generate(.ed25519).publicKey), connection)
                streams.append(stream)
                statuses.append(status)
            }
            // A place may be free again before the last one is offered, where the machine is busy.
            let taken = statuses.count { $0 == .ok }
            let refused = statuses.count { $0 != nil && $0 != .ok }
            #expect(taken > 0 && refused > 0 && taken + refused == statuses.count, "\(taken) taken, \(refused) refused")
            let pending = hosts.targetClient.pendingCircuits
            #expect(pending <= CircuitRoom.pendingLimit)
            for stream in streams { stream.reset() }
            try await Self.wait("every place is back") { hosts.targetClient.pendingCircuits == 0 }
            #expect(try await RelayHosts.say("x", over: try await source.connect(to: hosts.address(of: target))) == "x")
        }
    }

    /// A relay that has each side's first words, which are the same for all, arrive with its own message, in one piece.
    private final class Eager: ProtocolHandler {
        /// With what either side of a handshake begins.
        private static let header = ByteBuffer(string: "\u{13}/multistream/1.0.0\n")

        let protocolIDs = [Relay.hopID]
        private let target = Mutex<PeerConnection?>(nil)

        func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
            let bytes = try #require(try await stream.readMessageBytes(upTo: Relay.maximumMessage))
            guard try HopMessage(bytes).kind == .connect, let target = self.target.withLock({ $0 }) else {
                self.target.withLock { $0 = connection }
                let place = WireReservation(expire: UInt64(WallTime.now.secondsSince1970) + 3_600, addresses: [], voucher: nil)
                return try await stream.write(HopMessage(.status, reservation: place, status: .ok).encoded.framed)
            }
            let stop = try await target.openStream(Relay.stopID)
            try await self.say(StopMessage(.connect, peer: connection.remotePeer).encoded, on: stop)
            let answer = try #require(try await stop.readMessageBytes(upTo: Relay.maximumMessage))
            #expect(try StopMessage(answer).status == .ok)
            try await self.say(HopMessage(.status, status: .ok).encoded, on: stream)
            for side in [stop, stream] { #expect(try await side.readExactly(Self.header.readableBytes) == Self.header) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (from, to) in [(stream, stop), (stop, stream)] {
                    group.addTask {
                        while let bytes = try await from.read() { try await to.write(bytes) }
                        try await to.finish()
                    }
                }
                try await group.waitForAll()
            }
        }

        private func say(_ message: [UInt8], on stream: PeerStream) async throws {
            var piece = message.framed
            piece.writeImmutableBuffer(Self.header)
            try await stream.write(piece)
        }
    }

    @Test("What follows a relay's message in the same piece is the other side's, on either end of a circuit")
    func bytesBehindTheMessage() async throws {
        try await RelayHosts.run { hosts, target, source in
            let relay = try await RelayHosts.host(on: hosts.network, Eager())
            try await relay.running { relay in
                let place = try #require(relay.listenAddresses.first).withPeerID(relay.peerID).appending(.p2pCircuit)
                let events = target.events()
                _ = try await target.listen(on: place)
                for await event in events { if case .listening(let address) = event, address.isRelayed { break } }
                let connection = try await source.connect(to: place.withPeerID(target.peerID))
                #expect(connection.remotePeer == target.peerID && connection.remoteAddress.isRelayed)
                #expect(try await RelayHosts.say("whole", over: connection) == "whole")
            }
        }
    }

    @Test("Nobody connects to the relay itself through it, or to itself")
    func relayAsTarget() async throws {
        try await RelayHosts.run { hosts, _, source in
            let connection = try await source.connect(to: hosts.relayAddress)
            for target in [hosts.relay.peerID, source.peerID] {
                let status: RelayStatus = target == source.peerID ? .permissionDenied : .noReservation
                #expect(try await Self.ask(HopMessage(.connect, peer: target), connection) == HopMessage(.status, status: status))
            }
            #expect(hosts.service.statistics == RelayStatistics())
        }
    }
}
