package import NIOCore
import NIOPosix
package import P2PCore
package import P2PMultiaddr
import P2PSystem
import Synchronization

/// Asks the system's resolver, which blocks and can't be called off, on threads of its own.
///
/// Whoever waits leaves at the deadline or when cancelled; the thread goes on alone, and counts until it is done.
package final class NameResolver: Sendable {
    /// What a lookup comes to.
    package typealias Answer = Result<[SocketAddress], TransportError>
    /// Looks a name up.
    package typealias LookUp = @Sendable (_ name: String, _ port: UInt16, _ family: MultiaddrEndpoint.NameFamily) -> Answer

    /// Names that are looked up at a time, waited for or not; further ones have to wait for their turn.
    package static let maximumLookups = 16

    /// One for the process, as there is one system to ask.
    package static let shared = NameResolver()

    /// A name that somebody waits for.
    private final class Lookup: Sendable {
        let name: String
        let port: UInt16
        let family: MultiaddrEndpoint.NameFamily
        let answer = Inbox<Answer, Never>(limit: 1)

        init(name: String, port: UInt16, family: MultiaddrEndpoint.NameFamily) {
            self.name = name
            self.port = port
            self.family = family
        }
    }

    private struct State {
        var running = 0
        /// Each of them belongs to a task that waits, so the limits on dials bound them.
        var waiting: [Lookup] = []
    }

    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: NameResolver.maximumLookups)
        threads.start()
        return threads
    }()

    private let state = Mutex(State())
    private let limit: Int
    private let lookUp: LookUp

    /// - Parameters:
    ///   - limit: names that are looked up at a time, at most ``maximumLookups``.
    ///   - lookUp: may block.
    package init(limit: Int = NameResolver.maximumLookups, lookUp: @escaping LookUp = NameResolver.askSystem) {
        self.limit = min(limit, Self.maximumLookups)
        self.lookUp = lookUp
    }

    /// Those of a name's addresses that may be reached, as many as are tried.
    ///
    /// - Parameter mayReach: throws why one may not; nil for all.
    package func addresses(
        of name: String, port: UInt16, family: MultiaddrEndpoint.NameFamily, deadline: NIODeadline,
        where mayReach: (@Sendable (IPAddress) async throws(TransportError) -> Void)?
    ) async throws(TransportError) -> [SocketAddress] {
        let addresses = try await self.addresses(of: name, port: port, family: family, deadline: deadline)
        guard let mayReach else { return addresses }
        var wanted: [SocketAddress] = []
        var refusal: TransportError?
        for address in addresses where wanted.count < AddressRaceLimits.maximumAddresses {
            guard let ip = address.ip else { continue }
            do throws(TransportError) {
                try await mayReach(ip)
                wanted.append(address)
            } catch {
                guard error.code != .timedOut, error.code != .cancelled else { throw error }
                refusal = refusal ?? error
            }
        }
        guard !wanted.isEmpty else { throw refusal ?? TransportError(.unresolvable, "\(name) has no address") }
        return wanted
    }

    /// The addresses of a name.
    package func addresses(
        of name: String, port: UInt16, family: MultiaddrEndpoint.NameFamily, deadline: NIODeadline
    ) async throws(TransportError) -> [SocketAddress] {
        let lookup = Lookup(name: name, port: port, family: family)
        let needsThread = self.state.withLock { state in
            state.waiting.append(lookup)
            guard state.running < self.limit else { return false }
            state.running += 1
            return true
        }
        if needsThread { Self.threads.submit { _ in self.work() } }
        let answer = await HostClock.system.result(by: deadline) { await lookup.answer.next() }
        if let answer = answer ?? nil { return try answer.get() }
        self.state.withLock { $0.waiting.removeAll { $0 === lookup } }
        throw Task.isCancelled
            ? TransportError(.cancelled, "the lookup of \(name) was cancelled")
            : TransportError(.timedOut, "\(name) did not resolve by the deadline")
    }

    /// Looks names up for as long as there are any; runs on a thread of the pool.
    private func work() {
        while let lookup = self.next() {
            _ = lookup.answer.offer(self.lookUp(lookup.name, lookup.port, lookup.family))
        }
    }

    private func next() -> Lookup? {
        self.state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.running -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }
    }

    /// Asks the system's resolver. Blocks.
    @Sendable package static func askSystem(_ name: String, port: UInt16, family: MultiaddrEndpoint.NameFamily) -> Answer {
        let family: NIOBSDSocket.AddressFamily? =
            switch family {
            case .any: nil
            case .ip4: .inet
            case .ip6: .inet6
            }
        return SystemLookup.addresses(of: name, port: port, family: family)
            .mapError { TransportError(.unresolvable, $0.description) }
    }
}
