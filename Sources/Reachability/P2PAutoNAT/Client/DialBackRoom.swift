import NIOCore
import P2PCore
import P2PMultiaddr
import Synchronization

/// Where those wait who have asked a server to dial back: the connection comes from somebody else, and has nothing but a number.
final class DialBackRoom: ProtocolHandler {
    private struct Waiting {
        let transport: ThinWaist.Transport
        let port: UInt16?
        let arrived: Signal
        /// Who has brought it.
        var visitor: IPAddress?
    }

    /// More than the questions that are under way.
    private static let limit = 16
    private static let streamTime = Duration.seconds(5)

    private let waiting = Mutex<[UInt64: Waiting]>([:])

    let protocolIDs = [AutoNATProtocols.version2DialBack]
    var limits: StreamLimits { StreamLimits(inboundPerPeer: 2, lifetime: Self.streamTime, refusals: 20) }

    /// A number that nobody can guess, to be waited for; nil when too many are.
    ///
    /// - Parameter port: this side's port on the connection that brings it; nil where a router may have another one outside.
    func expect(over transport: ThinWaist.Transport, at port: UInt16? = nil) -> UInt64? {
        self.waiting.withLock { waiting in
            guard waiting.count < Self.limit else { return nil }
            let nonce = UInt64.random(in: 1 ... .max)
            waiting[nonce] = Waiting(transport: transport, port: port, arrived: Signal())
            return nonce
        }
    }

    /// Who has brought it, or brings it until the deadline, nil for nobody; then it is forgotten.
    func arrival(of nonce: UInt64, within time: Duration, on clock: HostClock) async -> IPAddress? {
        guard let signal = self.waiting.withLock({ $0[nonce]?.arrived }) else { return nil }
        _ = await clock.result(by: clock.now().advanced(by: time)) { await signal.wait() }
        return self.forget(nonce)
    }

    /// Who has brought it.
    @discardableResult func forget(_ nonce: UInt64) -> IPAddress? {
        self.waiting.withLock { $0.removeValue(forKey: nonce)?.visitor }
    }

    var count: Int { self.waiting.withLock { $0.count } }

    func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
        guard let message = try await stream.readMessage(upTo: DialBackMessage.maximumLength) else { return }
        let nonce = try DialBackMessage.nonce(in: message)
        // Only a connection that the other side has made, straight to the address in question, says that this side is reached there.
        guard !connection.isDialled, !connection.isLimited, !connection.remoteAddress.isRelayed,
            let waist = ThinWaist(connection.localAddress), let visitor = connection.remoteAddress.ipAddress?.unmapped,
            self.arrived(nonce, at: waist, with: visitor)
        else {
            throw AutoNATError("nobody waits for that number")
        }
        // An empty message is "OK".
        try await stream.writeMessage(ByteBuffer())
    }

    /// Only the first who brings it counts.
    private func arrived(_ nonce: UInt64, at local: ThinWaist, with visitor: IPAddress) -> Bool {
        let signal = self.waiting.withLock { waiting -> Signal? in
            guard let expected = waiting[nonce], expected.transport == local.transport, expected.port ?? local.port == local.port else {
                return nil
            }
            if expected.visitor == nil { waiting[nonce]?.visitor = visitor }
            return waiting[nonce]?.arrived
        }
        signal?.fire()
        return signal != nil
    }
}
