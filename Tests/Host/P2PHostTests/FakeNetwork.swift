import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PSwarm
import Synchronization

/// A network that does what a test says at each address.
final class FakeNetwork: Sendable {
    enum Behaviour: Sendable {
        /// Fails at once.
        case refuse(TransportError)
        /// Can't be listened on.
        case unbindable(TransportError)
        /// Never answers.
        case silence
        /// Whoever listens there answers once the signal has fired; deaf to cancellation if stubborn.
        case gate(Signal, isStubborn: Bool)
        /// A relayed connection.
        case limited
        /// Whoever listens there is reached at once, and done with the handshakes once the signal has fired.
        case handshakes(Signal)
    }

    private struct State {
        var behaviours: [Multiaddr: Behaviour] = [:]
        var listeners: [Multiaddr: FakeListener] = [:]
        var dialled: [Multiaddr] = []
        var options: [DialOptions] = []
        var inFlight = 0
        var mostInFlight = 0
        var dialWatchers: [(count: Int, signal: Signal)] = []
        var connections: [FakeConnection] = []
        var lastPort: UInt16 = 1_000
    }

    let clock = ManualClock()
    /// Binding an address says so, then waits for its permission.
    let binding = Mutex<(begun: Signal, permission: Signal)?>(nil)
    /// So many attempts to bind an address fail.
    let bindFailures = Mutex(0)
    /// New connections carry nothing.
    let isMute = Mutex(false)
    /// The highest port of the range that listeners get for port 0.
    private let state = Mutex(State())

    func transport(for key: PrivateKey) -> FakeTransport { FakeTransport(network: self, key: key) }

    func set(_ behaviour: Behaviour, at address: Multiaddr) {
        self.state.withLock { $0.behaviours[address] = behaviour }
    }

    /// Whoever listens there answers again.
    func clear(_ address: Multiaddr) {
        self.state.withLock { $0.behaviours[address] = nil }
    }

    /// Addresses in the order in which they were dialled.
    var dialled: [Multiaddr] { self.state.withLock { $0.dialled } }
    /// What each dial was told, in the same order.
    var options: [DialOptions] { self.state.withLock { $0.options } }
    var mostInFlight: Int { self.state.withLock { $0.mostInFlight } }
    var inFlight: Int { self.state.withLock { $0.inFlight } }
    /// Both ends of every connection so far, the dialer's first.
    var connections: [FakeConnection] { self.state.withLock { $0.connections } }

    /// Returns once so many dials have begun.
    func dialled(atLeast count: Int) async {
        let signal = self.state.withLock { state -> Signal? in
            guard state.dialled.count < count else { return nil }
            let signal = Signal()
            state.dialWatchers.append((count, signal))
            return signal
        }
        await signal?.wait()
    }

    func listener(at address: Multiaddr) -> FakeListener? { self.state.withLock { $0.listeners[address] } }

    fileprivate func behaviour(at address: Multiaddr) -> Behaviour? { self.state.withLock { $0.behaviours[address] } }

    fileprivate func beginDial(_ address: Multiaddr, _ options: DialOptions) {
        let watchers = self.state.withLock { state -> [Signal] in
            state.dialled.append(address)
            state.options.append(options)
            state.inFlight += 1
            state.mostInFlight = max(state.mostInFlight, state.inFlight)
            let count = state.dialled.count
            defer { state.dialWatchers.removeAll { $0.count <= count } }
            return state.dialWatchers.filter { $0.count <= count }.map(\.signal)
        }
        for watcher in watchers { watcher.fire() }
    }

    fileprivate func endDial() { self.state.withLock { $0.inFlight -= 1 } }

    fileprivate func bind(_ address: Multiaddr, key: PrivateKey) -> FakeListener {
        self.state.withLock { state in
            var bound = address
            if let endpoint = address.tcpEndpoint, endpoint.port == 0, let ip = address.ipAddress {
                state.lastPort += 1
                bound = Multiaddr(ip: ip, tcp: state.lastPort)
            }
            let listener = FakeListener(address: bound, key: key)
            state.listeners[bound] = listener
            return listener
        }
    }

    fileprivate func connect(
        _ dialer: PrivateKey, to listener: PrivateKey, at address: Multiaddr, from local: Multiaddr, isLimited: Bool
    ) -> (FakeConnection, FakeConnection) {
        func info(_ role: ConnectionRole, _ own: PrivateKey, _ other: PrivateKey, _ near: Multiaddr, _ far: Multiaddr) -> ConnectionInfo {
            ConnectionInfo(
                role: role, localPeer: PeerID(own.publicKey), remotePeer: PeerID(other.publicKey), remoteKey: other.publicKey,
                localAddress: near, remoteAddress: far, security: "/fake", muxer: "/fake-muxer", isLimited: isLimited)
        }
        let pair = FakeConnection.pair(
            info(.dialer, dialer, listener, local, address), info(.listener, listener, dialer, address, local), clock: self.clock.clock)
        if self.isMute.withLock({ $0 }) { pair.0.goSilent() }
        self.state.withLock { $0.connections += [pair.0, pair.1] }
        return pair
    }
}

struct FakeTransport: Transport {
    let network: FakeNetwork
    let key: PrivateKey
    /// Where dials come from.
    var localAddress = Multiaddr(ip: .loopbackV4, tcp: 999)

    func canDial(_ address: Multiaddr) -> Bool { address.tcpEndpoint != nil }
    func canListen(on address: Multiaddr) -> Bool { address.tcpEndpoint != nil }

    func dial(
        _ address: Multiaddr, expecting peer: PeerID?, options: DialOptions
    ) async throws(TransportError) -> any MuxedConnection {
        self.network.beginDial(address, options)
        defer { self.network.endDial() }
        var isLimited = false
        switch self.network.behaviour(at: address) {
        case .refuse(let error): throw error
        case .unbindable: break
        case .silence: await Signal().wait()
        case .gate(let signal, let isStubborn):
            if isStubborn {
                return try await Task.detached { () -> Result<any MuxedConnection, TransportError> in
                    await signal.wait()
                    do throws(TransportError) { return .success(try await self.knock(at: address)) } catch { return .failure(error) }
                }.value.get()
            }
            await signal.wait()
        case .limited: isLimited = true
        case .handshakes(let signal):
            options.onConnected?()
            await signal.wait()
        case nil: break
        }
        if Task.isCancelled { throw TransportError(.cancelled, "the dial was cancelled") }
        return try await self.knock(at: address, isLimited: isLimited)
    }

    private func knock(at address: Multiaddr, isLimited: Bool = false) async throws(TransportError) -> any MuxedConnection {
        guard let listener = self.network.listener(at: address) else {
            throw TransportError(.unreachable, "nobody listens at \(address)")
        }
        let arrival = FakeArrival(listener: listener, dialer: self, isLimited: isLimited)
        listener.arrivals.yield(arrival)
        await arrival.decided.wait()
        guard let connection = arrival.dialersEnd.withLock({ $0 }) else {
            throw TransportError(.closed, "the listener closed before the connection was ready")
        }
        return connection
    }

    func listen(on address: Multiaddr) async throws(TransportError) -> any TransportListener {
        if let binding = self.network.binding.withLock({ $0 }) {
            binding.begun.fire()
            await binding.permission.wait()
        }
        let isRefused = self.network.bindFailures.withLock { failures in
            guard failures > 0 else { return false }
            failures -= 1
            return true
        }
        if isRefused { throw TransportError(.addressInUse, "somebody else listens on \(address)") }
        if case .unbindable(let error)? = self.network.behaviour(at: address) { throw error }
        return self.network.bind(address, key: self.key)
    }
}

final class FakeListener: TransportListener {
    let addresses: [Multiaddr]
    let addressChanges: AddressChanges
    let newAddresses: AsyncStream<[Multiaddr]>.Continuation
    let key: PrivateKey
    let arrivals: AsyncStream<FakeArrival>.Continuation
    /// The next handshakes wait for this.
    let handshakes = Mutex<Signal?>(nil)
    let accepted = Mutex(0)
    let stopped = Signal()
    /// What it fails with once its arrivals are finished.
    let failure = Mutex<TransportError?>(nil)
    private let queue: AsyncStream<FakeArrival>

    init(address: Multiaddr, key: PrivateKey) {
        self.addresses = [address]
        self.key = key
        (self.addressChanges, self.newAddresses) = AddressChanges.make()
        (self.queue, self.arrivals) = AsyncStream.makeStream()
    }

    func run(_ onArrival: @escaping @Sendable (any PendingConnection) async -> Void) async throws {
        await withDiscardingTaskGroup { group in
            for await arrival in self.queue {
                group.addTask {
                    await onArrival(arrival)
                    arrival.refuse()
                }
            }
        }
        self.stopped.fire()
        if let failure = self.failure.withLock({ $0 }) { throw failure }
    }
}

final class FakeArrival: PendingConnection {
    let localAddress: Multiaddr
    let remoteAddress: Multiaddr
    let decided = Signal()
    let dialersEnd = Mutex<FakeConnection?>(nil)
    private let listener: FakeListener
    private let dialer: FakeTransport
    private let isLimited: Bool

    init(listener: FakeListener, dialer: FakeTransport, isLimited: Bool) {
        self.listener = listener
        self.dialer = dialer
        self.isLimited = isLimited
        self.localAddress = listener.addresses[0]
        self.remoteAddress = dialer.localAddress
    }

    func accept() async throws(TransportError) -> any MuxedConnection {
        self.listener.accepted.withLock { $0 += 1 }
        await self.listener.handshakes.withLock { $0 }?.wait()
        if Task.isCancelled { throw TransportError(.cancelled, "the handshakes were cancelled") }
        let (near, far) = self.dialer.network.connect(
            self.dialer.key, to: self.listener.key, at: self.localAddress, from: self.remoteAddress, isLimited: self.isLimited)
        self.dialersEnd.withLock { $0 = near }
        self.decided.fire()
        return far
    }

    func refuse() {
        self.decided.fire()
    }
}
