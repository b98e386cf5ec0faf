import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What a TCP connection's handle and its channel share.
final class TCPSocketCore: Sendable {
    /// How a direction ended.
    private enum End {
        case finished
        case failed(SocketError)
    }

    private enum Output {
        case open
        /// What is queued is still to go, then the end.
        case finishing
        /// The end is on its way to the kernel.
        case ending
        case ended(End)
    }

    private struct Write {
        let number: UInt64
        var bytes: ByteBuffer
        var hasBegun = false
    }

    private struct State {
        var readyState = SocketReadyState.connecting
        var channel: (any Channel)?
        var endpoints: SocketEndpoints?
        var usesTLS = false
        var dialing: Task<Void, Never>?
        var timer: Scheduled<Void>?
        /// Ended at once, from here: by whom or what, or nil for `closeImmediately()`.
        var abortion: SocketError??

        var inbound = CircularBuffer<ByteBuffer>(initialCapacity: 2)
        var inboundBytes = 0
        var inputEnd: End?
        var isSuspended = false
        var hasReader = false
        var reader: CheckedContinuation<Void, Never>?
        /// Whether the channel reads, as it was told last.
        var isReading = false

        var writes = CircularBuffer<Write>(initialCapacity: 2)
        var waiters: [UInt64: CheckedContinuation<SocketError?, Never>] = [:]
        var lastWrite: UInt64 = 0
        var inFlight = 0
        var bufferedAmount = 0
        var output = Output.open
        var isPumping = false
        var isPumpScheduled = false

        var isClosing = false
        /// Counts what moves, to tell a slow end from none.
        var progress: UInt64 = 0

        var wantsReading: Bool { !self.isSuspended && self.inputEnd == nil && self.inboundBytes < SocketLimits.readAhead }
        var mayTake: Bool {
            self.abortion != nil || (!self.isSuspended && (!self.inbound.isEmpty || self.inputEnd != nil))
        }
    }

    /// What a read comes to.
    private enum Taken {
        case bytes(ByteBuffer)
        case end
        case failed(SocketError)
        case wait
    }

    let opened = Outcome<SocketEndpoints>()
    let closed = Outcome<Void>()
    private let outputEnd = Outcome<Void>()
    private let options: TCPOptions
    private let hold: SocketHold?
    private let state: Mutex<State>

    /// - Parameter hold: how gates know it, where there is one.
    init(_ options: TCPOptions, hold: SocketHold?) {
        self.options = options
        self.hold = hold
        self.state = Mutex(State())
        hold?.onRevocation { [weak self] reason in self?.abort(SocketError(.permissionDenied, reason)) }
    }

    deinit {
        if let hold = self.hold { self.options.gate?.ended(hold) }
    }

    // MARK: Looking

    var readyState: SocketReadyState { self.state.withLock { $0.readyState } }
    var endpoints: SocketEndpoints? { self.state.withLock { $0.endpoints } }
    var usesTLS: Bool { self.state.withLock { $0.usesTLS } }
    var bufferedAmount: Int { self.state.withLock { $0.bufferedAmount } }
    /// For tests.
    var readAheadBytes: Int { self.state.withLock { $0.inboundBytes } }
    /// For tests: writes that wait, and whether a part of the first has gone.
    var waitingWrites: (count: Int, hasBegun: Bool) { self.state.withLock { ($0.writes.count, $0.writes.first?.hasBegun ?? false) } }
    var channel: (any Channel)? { self.state.withLock { $0.channel } }

    // MARK: Opening

    /// Dials, until ``open(_:)`` or ``openingFailed(_:)``.
    func begin(_ dial: @escaping @Sendable (TCPSocketCore) async -> Void) {
        let timeout = self.options.openTimeout
        let timer = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: TimeAmount(timeout)) { [weak self] in
            guard let self else { return }
            self.openingFailed(SocketError(.timedOut, "the socket was not open after \(timeout)"))
        }
        let task = Task { [weak self] in
            guard let self else { return }
            await dial(self)
        }
        let isOver = self.state.withLock { state in
            state.dialing = task
            state.timer = timer
            return state.readyState != .connecting
        }
        if isOver { self.stopDialing() }
    }

    private func stopDialing() {
        let (task, timer) = self.state.withLock { state in
            defer { (state.dialing, state.timer) = (nil, nil) }
            return (state.dialing, state.timer)
        }
        task?.cancel()
        timer?.cancel()
    }

    /// There will be no connection: everybody who waits hears why.
    func openingFailed(_ error: SocketError) {
        let (wasConnecting, reader, waiters) = self.state.withLock { state in
            guard state.readyState == .connecting else {
                return (false, nil as CheckedContinuation<Void, Never>?, [] as [CheckedContinuation<SocketError?, Never>])
            }
            state.readyState = .closed
            state.inputEnd = .failed(error)
            state.output = .ended(.failed(error))
            let waiters = Self.dropWrites(&state)
            return (true, state.reader.take(), waiters)
        }
        guard wasConnecting else { return }
        self.stopDialing()
        self.opened.settle(.failure(error))
        self.outputEnd.settle(.failure(error))
        self.closed.settle(.failure(error))
        reader?.resume()
        for waiter in waiters { waiter.resume(returning: error) }
    }

    /// The connection is there. On its loop.
    func open(_ channel: any Channel, _ handler: TCPSocketHandler, usesTLS: Bool) {
        let endpoints = SocketEndpoints(local: channel.localAddress, remote: channel.remoteAddress)
        var isClosing = false
        let isOpen = self.state.withLock { state in
            guard state.readyState == .connecting else { return false }
            isClosing = state.isClosing
            state.readyState = isClosing ? .closing : .open
            state.channel = channel
            state.endpoints = endpoints
            state.usesTLS = usesTLS
            return true
        }
        guard isOpen else { return SocketHeadHandler.close(channel) }
        self.state.withLock { $0.timer.take() }?.cancel()
        self.opened.settle(.success(endpoints))
        handler.attach(self, channel)
        self.updateReading(channel)
        self.pump(channel)
        if isClosing { self.beginClosing(channel) }
    }

    // MARK: Reading

    func read(upTo limit: Int) async throws(SocketError) -> ByteBuffer? {
        guard limit > 0 else { throw SocketError(.invalidArgument, "a read of \(limit) bytes is none") }
        let isTaken = self.state.withLock { state in
            defer { state.hasReader = true }
            return state.hasReader
        }
        guard !isTaken else { throw SocketError(.alreadyReading, "another task reads") }
        defer { self.state.withLock { $0.hasReader = false } }
        while true {
            switch self.take(upTo: limit) {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case .failed(let error): throw error
            case .wait: break
            }
            guard !Task.isCancelled else { throw .wasCancelled }
            await self.waitForNews()
        }
    }

    private func take(upTo limit: Int) -> Taken {
        let (taken, channel) = self.state.withLock { state -> (Taken, (any Channel)?) in
            if let abortion = state.abortion { return (.failed(abortion ?? .wasClosed), nil) }
            guard !state.isSuspended else { return (.wait, nil) }
            if var first = state.inbound.popFirst() {
                var bytes = first
                if first.readableBytes > limit, let slice = first.readSlice(length: limit) {
                    bytes = slice
                    state.inbound.prepend(first)
                }
                state.inboundBytes -= bytes.readableBytes
                state.progress += 1
                return (.bytes(bytes), state.wantsReading && !state.isReading ? state.channel : nil)
            }
            switch state.inputEnd {
            case .finished: return (.end, nil)
            case .failed(let error): return (.failed(error), nil)
            case nil: return (.wait, nil)
            }
        }
        if let channel { channel.eventLoop.execute { self.updateReading(channel) } }
        return taken
    }

    private func waitForNews() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isParked = self.state.withLock { state in
                    guard !state.mayTake, !Task.isCancelled else { return false }
                    state.reader = waiter
                    return true
                }
                if !isParked { waiter.resume() }
            }
        } onCancel: {
            self.state.withLock { $0.reader.take() }?.resume()
        }
    }

    /// Suspends reading, or goes on with it.
    func setSuspended(_ isSuspended: Bool) {
        let (reader, channel) = self.state.withLock { state in
            state.isSuspended = isSuspended
            return (state.mayTake ? state.reader.take() : nil, state.channel)
        }
        reader?.resume()
        guard let channel else { return }
        channel.eventLoop.execute { self.updateReading(channel) }
    }

    /// Has the channel read, or not, as is wanted. On its loop.
    private func updateReading(_ channel: any Channel) {
        let change = self.state.withLock { state -> Bool? in
            let wants = state.wantsReading
            guard wants != state.isReading, state.readyState < .closed else { return nil }
            state.isReading = wants
            return wants
        }
        if let change { try? channel.syncOptions?.setOption(.autoRead, value: change) }
    }

    func received(_ bytes: ByteBuffer, _ channel: any Channel) {
        let reader = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.abortion == nil, bytes.readableBytes > 0 else { return nil }
            Self.append(bytes, to: &state.inbound)
            state.inboundBytes += bytes.readableBytes
            state.progress += 1
            return state.mayTake ? state.reader.take() : nil
        }
        reader?.resume()
        self.updateReading(channel)
    }

    /// Joins small pieces, so that who sends single bytes doesn't make them hold a buffer each.
    static func append(_ bytes: ByteBuffer, to queue: inout CircularBuffer<ByteBuffer>) {
        if let waiting = queue.last?.readableBytes, waiting + bytes.readableBytes <= SocketLimits.joinBelow {
            let last = queue.index(before: queue.endIndex)
            // What has been read of it would be kept, and more with each piece.
            queue[last].discardReadBytes()
            queue[last].writeImmutableBuffer(bytes)
        } else if bytes.readableBytes < SocketLimits.joinBelow, bytes.storageCapacity > 2 * bytes.readableBytes {
            var copy = ByteBufferAllocator().buffer(capacity: bytes.readableBytes)
            copy.writeImmutableBuffer(bytes)
            queue.append(copy)
        } else {
            queue.append(bytes)
        }
    }

    func inputEnded(_ channel: any Channel) {
        let reader = self.state.withLock { state in
            state.inputEnd = state.inputEnd ?? .finished
            return state.mayTake ? state.reader.take() : nil
        }
        reader?.resume()
        self.updateReading(channel)
        self.closeIfEnded(channel)
    }

    // MARK: Writing

    func write(_ bytes: ByteBuffer) async throws(SocketError) {
        let number = self.state.withLock { state in
            state.lastWrite += 1
            return state.lastWrite
        }
        let error = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                self.enqueue(Write(number: number, bytes: bytes), waiter)
            }
        } onCancel: {
            self.cancelWrite(number)
        }
        if let error { throw error }
    }

    private func enqueue(_ write: Write, _ waiter: CheckedContinuation<SocketError?, Never>) {
        let (answer, channel) = self.state.withLock { state -> (SocketError??, (any Channel)?) in
            if let abortion = state.abortion { return (.some(abortion ?? .wasClosed), nil) }
            switch state.output {
            case .open: break
            case .finishing, .ending, .ended(.finished): return (.some(.wasClosed), nil)
            case .ended(.failed(let error)): return (.some(error), nil)
            }
            guard !Task.isCancelled else { return (.some(.wasCancelled), nil) }
            guard write.bytes.readableBytes > 0 else { return (.some(nil), nil) }
            state.writes.append(write)
            state.waiters[write.number] = waiter
            state.bufferedAmount += write.bytes.readableBytes
            guard let channel = state.channel, !state.isPumpScheduled, state.inFlight < SocketLimits.writeHighMark else {
                return (nil, nil)
            }
            state.isPumpScheduled = true
            return (nil, channel)
        }
        if let answer { waiter.resume(returning: answer) }
        if let channel {
            channel.eventLoop.execute {
                self.state.withLock { $0.isPumpScheduled = false }
                self.pump(channel)
            }
        }
    }

    /// What has not begun does not go any more.
    private func cancelWrite(_ number: UInt64) {
        let waiter = self.state.withLock { state in
            if let index = state.writes.firstIndex(where: { $0.number == number }), !state.writes[index].hasBegun {
                state.bufferedAmount -= state.writes[index].bytes.readableBytes
                state.writes.remove(at: index)
            }
            return state.waiters.removeValue(forKey: number)
        }
        waiter?.resume(returning: .wasCancelled)
    }

    /// Hands over what fits below the high mark. On the loop.
    private func pump(_ channel: any Channel) {
        let isMine = self.state.withLock { state in
            defer { state.isPumping = true }
            return !state.isPumping
        }
        guard isMine else { return }
        while true {
            var hasWritten = false
            while let (bytes, ended) = self.nextSlice() {
                let count = bytes.readableBytes
                let promise = channel.eventLoop.makePromise(of: Void.self)
                promise.futureResult.whenComplete { self.wrote(count, ended, $0, channel) }
                channel.write(bytes, promise: promise)
                hasWritten = true
            }
            guard hasWritten else { break }
            channel.flush()
        }
        let ends = self.state.withLock { state in
            state.isPumping = false
            guard case .finishing = state.output, state.writes.isEmpty, state.inFlight == 0, state.abortion == nil else { return false }
            state.output = .ending
            return true
        }
        if ends { self.endOutput(channel) }
    }

    /// What goes next, and which write ends with it.
    private func nextSlice() -> (ByteBuffer, UInt64?)? {
        self.state.withLock { state in
            let room = SocketLimits.writeHighMark - state.inFlight
            guard room > 0, state.abortion == nil, var first = state.writes.popFirst() else { return nil }
            if first.bytes.readableBytes > room, let slice = first.bytes.readSlice(length: room) {
                first.hasBegun = true
                state.writes.prepend(first)
                state.inFlight += room
                return (slice, nil)
            }
            state.inFlight += first.bytes.readableBytes
            return (first.bytes, first.number)
        }
    }

    private func wrote(_ count: Int, _ ended: UInt64?, _ result: Result<Void, any Error>, _ channel: any Channel) {
        switch result {
        case .success:
            let waiter = self.state.withLock { state in
                guard state.abortion == nil else { return nil as CheckedContinuation<SocketError?, Never>? }
                state.inFlight -= count
                state.bufferedAmount -= count
                state.progress += 1
                return ended.flatMap { state.waiters.removeValue(forKey: $0) }
            }
            waiter?.resume(returning: nil)
            self.pump(channel)
        case .failure(let error):
            self.failed(SocketError(error, "what was written did not leave"), channel, isOutput: true)
        }
    }

    private static func dropWrites(_ state: inout State) -> [CheckedContinuation<SocketError?, Never>] {
        defer {
            state.writes.removeAll()
            state.waiters = [:]
            state.bufferedAmount = 0
        }
        return Array(state.waiters.values)
    }

    // MARK: Ending

    /// Nothing more is written; returns when the end has left.
    func finishWriting() async throws(SocketError) {
        self.beginFinishing()
        try await self.outputEnd.value()
    }

    private func beginFinishing() {
        let channel = self.state.withLock { state -> (any Channel)? in
            guard case .open = state.output, state.abortion == nil else { return nil }
            state.output = .finishing
            return state.channel
        }
        if let channel { channel.eventLoop.execute { self.pump(channel) } }
    }

    private func endOutput(_ channel: any Channel) {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { result in
            switch result {
            case .success:
                self.state.withLock { state in
                    if case .ending = state.output { state.output = .ended(.finished) }
                }
                self.outputEnd.settle(.success(()))
                self.closeIfEnded(channel)
            case .failure(let error):
                self.failed(SocketError(error, "the end could not be sent"), channel, isOutput: true)
            }
        }
        channel.close(mode: .output, promise: promise)
    }

    /// Both directions have ended: so does the connection.
    private func closeIfEnded(_ channel: any Channel) {
        let hasEnded = self.state.withLock { state in
            guard case .finished = state.inputEnd, case .ended = state.output else { return false }
            state.readyState = max(state.readyState, .closing)
            return true
        }
        if hasEnded { channel.eventLoop.execute { SocketHeadHandler.close(channel) } }
    }

    /// What is queued goes, then the end; the other side may go on until its own.
    func close() async throws(SocketError) {
        let (isUnused, channel) = self.state.withLock { state -> (Bool, (any Channel)?) in
            defer { state.isClosing = true }
            if state.readyState == .open { state.readyState = .closing }
            return (state.readyState == .connecting && state.bufferedAmount == 0, state.isClosing ? nil : state.channel)
        }
        if isUnused {
            self.openingFailed(.wasClosed)
            return
        }
        self.beginFinishing()
        if let channel { channel.eventLoop.execute { self.beginClosing(channel) } }
        try await self.closed.value()
    }

    private func beginClosing(_ channel: any Channel) {
        self.closeIfEnded(channel)
        self.watchDraining(channel)
    }

    /// Nothing has moved for the whole drain limit: it ends with a reset.
    private func watchDraining(_ channel: any Channel) {
        let seen = self.state.withLock { $0.progress }
        let limit = self.options.drainTimeout
        let timer = channel.eventLoop.scheduleTask(in: TimeAmount(limit)) { [weak self] in
            guard let self else { return }
            let (isDrained, hasMoved) = self.state.withLock { state -> (Bool, Bool) in
                if case .ended = state.output { return (true, state.progress != seen) }
                return (false, state.progress != seen)
            }
            if isDrained, hasMoved { return self.watchDraining(channel) }
            let what = isDrained ? "the other side did not finish" : "what was queued was not taken"
            self.abort(SocketError(.timedOut, "\(what) within \(limit) after the close"))
        }
        let isOver = self.state.withLock { state in
            state.timer = timer
            return state.readyState == .closed
        }
        if isOver { timer.cancel() }
    }

    /// Ends everything at once: because of an error, or because that was asked for.
    func abort(_ error: SocketError?) {
        let reason = error ?? .wasClosed
        var isConnecting = false
        let end = self.state.withLock {
            state -> (reader: CheckedContinuation<Void, Never>?, waiters: [CheckedContinuation<SocketError?, Never>], resets: Bool)? in
            isConnecting = state.readyState == .connecting
            guard !isConnecting, state.abortion == nil, state.readyState < .closed else { return nil }
            let resets = error != nil || state.bufferedAmount > 0 || state.inboundBytes > 0
            state.abortion = .some(error)
            state.readyState = .closing
            state.inbound.removeAll()
            state.inboundBytes = 0
            return (state.reader.take(), Self.dropWrites(&state), resets)
        }
        if isConnecting { return self.openingFailed(reason) }
        guard let end else { return self.discardUnread() }
        end.reader?.resume()
        for waiter in end.waiters { waiter.resume(returning: reason) }
        self.outputEnd.settle(.failure(reason))
        guard let channel = self.channel else { return }
        channel.eventLoop.execute {
            if end.resets { _ = (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)) }
            SocketHeadHandler.close(channel)
        }
    }

    /// After the end: what was left to be read is read no more.
    private func discardUnread() {
        self.state.withLock { state in
            guard state.readyState == .closed, state.abortion == nil else { return }
            state.abortion = .some(nil)
            state.inbound.removeAll()
            state.inboundBytes = 0
        }
    }

    /// The connection failed, where it had not ended. On the loop.
    func failed(_ error: SocketError, _ channel: any Channel, isOutput: Bool = false) {
        let (reader, waiters) = self.state.withLock {
            state -> (CheckedContinuation<Void, Never>?, [CheckedContinuation<SocketError?, Never>]) in
            guard state.abortion == nil else { return (nil, []) }
            if case .ended = state.output {} else { state.output = .ended(.failed(error)) }
            if !isOutput { state.inputEnd = state.inputEnd ?? .failed(error) }
            state.readyState = max(state.readyState, .closing)
            return (state.mayTake ? state.reader.take() : nil, Self.dropWrites(&state))
        }
        reader?.resume()
        for waiter in waiters { waiter.resume(returning: error) }
        self.outputEnd.settle(.failure(error))
        channel.eventLoop.execute { SocketHeadHandler.close(channel) }
    }

    /// The descriptor is gone.
    func gone() {
        let lost = SocketError(.reset, "the connection ended before both sides had finished")
        let (outcome, timer, reader, waiters) = self.state.withLock {
            state -> (Outcome<Void>.Result, Scheduled<Void>?, CheckedContinuation<Void, Never>?, [CheckedContinuation<SocketError?, Never>])
            in
            state.readyState = .closed
            state.channel = nil
            // Where the other direction has ended, NIO closes the channel instead of telling of the end; an error it would have told.
            switch state.output {
            case .ended: break
            case .ending where state.inputEnd != nil: state.output = .ended(.finished)
            case .open, .finishing, .ending: state.output = .ended(.failed(lost))
            }
            if state.inputEnd == nil {
                if case .ended(.failed(let error)) = state.output { state.inputEnd = .failed(error) } else { state.inputEnd = .finished }
            }
            var outcome = Outcome<Void>.Result.success(())
            if let abortion = state.abortion {
                if let abortion { outcome = .failure(abortion) }
            } else if case .ended(.failed(let error)) = state.output {
                outcome = .failure(error)
            } else if case .failed(let error) = state.inputEnd {
                outcome = .failure(error)
            }
            return (outcome, state.timer.take(), state.mayTake ? state.reader.take() : nil, Self.dropWrites(&state))
        }
        timer?.cancel()
        reader?.resume()
        for waiter in waiters { waiter.resume(returning: lost) }
        self.outputEnd.settle(outcome)
        self.closed.settle(outcome)
        if let hold = self.hold { self.options.gate?.ended(hold) }
    }

    // MARK: TLS

    /// Begins TLS on the open connection.
    func startTLS(serverName: String?, _ makeHandler: @escaping @Sendable () throws -> any ChannelHandler) async throws(SocketError) {
        guard let channel = self.channel else { throw SocketError(.invalidState, "TLS begins on an open connection") }
        do {
            try await channel.eventLoop.flatSubmit { () -> EventLoopFuture<Void> in
                let promise = channel.eventLoop.makePromise(of: Void.self)
                do {
                    try self.checkMayStartTLS()
                    let pipeline = channel.pipeline.syncOperations
                    let handler = try pipeline.handler(type: TCPSocketHandler.self)
                    let tls = try makeHandler()
                    handler.awaitHandshake(promise, serverName: serverName)
                    self.state.withLock { $0.usesTLS = true }
                    try pipeline.addHandler(tls, position: .after(pipeline.handler(type: SocketHeadHandler.self)))
                } catch {
                    promise.fail(error)
                }
                return promise.futureResult
            }.get()
        } catch {
            throw SocketError(error, "TLS could not begin")
        }
    }

    private func checkMayStartTLS() throws(SocketError) {
        let reason = self.state.withLock { state -> String? in
            if state.usesTLS { return "TLS is there already" }
            if state.isSuspended { return "TLS can't begin while reading is suspended" }
            // Whoever is on the way may have sent these; nobody is to take them for what was said within TLS.
            if state.inboundBytes > 0 { return "bytes that came in the clear have not been read" }
            if state.bufferedAmount > 0 { return "bytes that are to go in the clear have not left" }
            guard case .open = state.output, state.inputEnd == nil, state.abortion == nil else { return "the connection is ending" }
            return nil
        }
        if let reason { throw SocketError(.invalidState, reason) }
    }
}

extension SocketEndpoints {
    init(local: SocketAddress?, remote: SocketAddress?) {
        self.init(
            localAddress: local?.ipAddress ?? "", localPort: local?.port ?? 0, remoteAddress: remote?.ipAddress, remotePort: remote?.port)
    }
}
