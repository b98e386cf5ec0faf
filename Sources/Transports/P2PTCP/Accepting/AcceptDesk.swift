import CSockets
import Logging
import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the accepting thread does for one listening socket, and knows of it. Confined to that thread.
final class AcceptDesk {
    /// Connections that are accepted in a turn, before others have theirs.
    static let batch = 64
    /// What every dialer says at once, whatever it speaks, has at least so many bytes: multistream's greeting. The system tells of fewer only
    /// when there will be no more.
    static let greeting = 20
    /// How often it says that it lacks descriptors, and that it closed some who said nothing.
    static let logInterval = TimeAmount.seconds(10)

    private let acceptor: TCPAcceptor
    private let bootstrap: ClientBootstrap
    private var doorstep: Doorstep
    private var quiet = QuietArrivals()
    private var faults = SocketFaults()
    private var restsUntil: NIODeadline?
    /// Whether the last arrival's descriptor was one of the reserve.
    private var isShort = false
    private var lacked = LogInterval(AcceptDesk.logInterval)
    private var closed = LogInterval(AcceptDesk.logInterval)
    /// What is to be polled: the listening socket, and the quiet by their places. Below zero is none.
    private(set) var descriptors: [pollfd]
    /// Those who wait, by their places.
    private var waiting: [CInt] = []

    init(_ acceptor: TCPAcceptor, at now: NIODeadline) {
        self.acceptor = acceptor
        self.bootstrap = acceptor.makeBootstrap()
        self.doorstep = Doorstep(acceptor.limits, now: now)
        self.descriptors = [pollfd(fd: -1, events: Int16(POLLIN), revents: 0)]
    }

    /// Whether nobody wants to accept any more; what is left is closed then.
    func isOver() -> Bool {
        guard self.acceptor.isOver else { return false }
        for descriptor in self.waiting where descriptor >= 0 { closeDescriptor(descriptor) }
        self.waiting = []
        self.acceptor.closeSocket()
        return true
    }

    // MARK: Turns

    /// Takes up whom it can, and says what is to be polled.
    ///
    /// - Returns: whether there is something to look after that no descriptor tells of.
    func prepare(at now: NIODeadline) -> Bool {
        self.doorstep.begun(self.acceptor.takeNews(wantsMore: !self.doorstep.isEmpty))
        for slot in self.doorstep.leaveOverdue(at: now) { self.turnAway(slot, at: now) }
        while let slot = self.doorstep.takeUp(at: now, isCrowded: { self.quiet.areMany(at: now) }) {
            let descriptor = self.forget(slot)
            self.expect(1, of: descriptor)
            self.takeUp(descriptor, at: now)
        }
        if self.doorstep.isEmpty, !self.waiting.isEmpty {
            self.waiting.removeAll(keepingCapacity: true)
            self.descriptors.removeLast(self.descriptors.count - 1)
        }
        if let until = self.restsUntil, until <= now { self.restsUntil = nil }
        self.descriptors[0].fd = self.restsUntil == nil ? self.acceptor.descriptor : -1
        return !self.doorstep.isEmpty || self.restsUntil != nil
    }

    /// Looks at what was polled: one result for each of ``descriptors``.
    ///
    /// - Parameter ready: how many results say something, at most.
    /// - Returns: how many of these do.
    func turn(_ results: ArraySlice<pollfd>, ready: Int, at now: NIODeadline) -> Int {
        guard ready > 0, let listening = results.first else { return 0 }
        var found = listening.revents != 0 ? 1 : 0
        var index = results.startIndex + 1
        while index < results.endIndex, found < ready {
            if results[index].revents != 0 {
                found += 1
                self.hear(index - results.startIndex - 1)
            }
            index += 1
        }
        if listening.revents != 0 { self.accept(at: now) }
        return found
    }

    private func hear(_ slot: Int) {
        let count = sockets_peek(self.waiting[slot], Self.greeting)
        if count > 0 {
            self.descriptors[slot + 1].fd = -1
            self.doorstep.spoke(slot)
        } else if ![EAGAIN, EWOULDBLOCK, EINTR].contains(-count) {
            self.doorstep.leave(slot)
            closeDescriptor(self.forget(slot))
        }
    }

    private func accept(at now: NIODeadline) {
        let reserve = DescriptorReserve.current()
        for _ in 0..<Self.batch {
            // Asked before: who is not accepted waits in the system's queue, and would be closed otherwise.
            if self.isShort {
                self.isShort = reserve.isTouchedByNext(after: self.acceptor.descriptor, for: .arrival)
                guard !self.isShort else { return self.failed(EMFILE, reserve, at: now) }
            }
            var peer = sockaddr_storage()
            let descriptor = sockets_accept(self.acceptor.descriptor, &peer)
            guard descriptor < 0 else {
                self.isShort = reserve.isTouched(by: descriptor, for: .arrival)
                self.arrived(descriptor, from: NetworkKey(peer), at: now)
                continue
            }
            switch -descriptor {
            // That connection is gone, and the next may be there.
            case EINTR, ECONNABORTED: continue
            case EAGAIN, EWOULDBLOCK: return
            default: return self.failed(-descriptor, reserve, at: now)
            }
        }
    }

    private func failed(_ number: CInt, _ reserve: DescriptorReserve, at now: NIODeadline) {
        if SocketFaults.isExhaustion(number), self.lacked.admit(at: now) != nil {
            self.acceptor.logger.warning(
                "can't accept connections: the process is out of file descriptors or memory; raise its limit (ulimit -n)",
                metadata: [
                    "errno": "\(number)", "limit": "\(reserve.limit)", "kept": "\(reserve.kept(from: .arrival))",
                ])
        }
        switch self.faults.failed(number, at: now) {
        case .goOn(let pause): self.restsUntil = pause > .zero ? now + pause : nil
        case .bindAgain: self.acceptor.end()
        }
    }

    // MARK: Arrivals

    private func arrived(_ descriptor: CInt, from network: NetworkKey, at now: NIODeadline) {
        if self.doorstep.takeUpAtOnce(isCrowded: self.quiet.areMany(at: now)) { return self.takeUp(descriptor, at: now) }
        let (slot, displaced) = self.doorstep.enter(from: network, at: now)
        if let displaced { self.turnAway(displaced, at: now) }
        while self.waiting.count <= slot {
            self.waiting.append(-1)
            self.descriptors.append(pollfd(fd: -1, events: Int16(POLLIN), revents: 0))
        }
        self.waiting[slot] = descriptor
        if sockets_peek(descriptor, Self.greeting) == CInt(Self.greeting) {
            self.doorstep.spoke(slot)
        } else {
            self.expect(CInt(Self.greeting), of: descriptor)
            self.descriptors[slot + 1].fd = descriptor
        }
    }

    /// Makes a channel of it, which somebody takes from the acceptor's arrivals.
    private func takeUp(_ descriptor: CInt, at now: NIODeadline) {
        let (acceptor, progress) = (self.acceptor, ArrivalProgress(at: now))
        self.quiet.add(progress, at: now)
        self.bootstrap.withConnectedSocket(descriptor).whenComplete { result in
            if case .success(let channel) = result {
                if acceptor.arrivals.offer(TCPArrival(channel: channel, progress: progress)) { return }
                channel.close(promise: nil)
            }
            acceptor.begun()
        }
    }

    private func turnAway(_ slot: Int, at now: NIODeadline) {
        closeDescriptor(self.forget(slot))
        if let others = self.closed.admit(at: now) {
            self.acceptor.logger.notice(
                "connections were closed that had said nothing: more arrive than can be taken up",
                metadata: ["address": "\(self.acceptor.address)", "others": "\(others)"])
        }
    }

    private func forget(_ slot: Int) -> CInt {
        defer {
            self.waiting[slot] = -1
            self.descriptors[slot + 1].fd = -1
        }
        return self.waiting[slot]
    }

    /// The system is to say that there is something to read when there are so many bytes. Where it can't, it says so earlier.
    private func expect(_ count: CInt, of descriptor: CInt) {
        var count = count
        _ = setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &count, socklen_t(MemoryLayout<CInt>.size))
    }
}

/// `close`, where nothing can be done about its errors.
func closeDescriptor(_ descriptor: CInt) { _ = close(descriptor) }

extension NetworkKey {
    /// The network of a socket's address.
    init(_ peer: sockaddr_storage) {
        // Where the kernel's structures keep the address; the same on Linux and Darwin.
        let ip = withUnsafeBytes(of: peer) { bytes -> IPAddress? in
            switch CInt(peer.ss_family) {
            case AF_INET: IPAddress(bytes: bytes[4..<8])
            case AF_INET6: IPAddress(bytes: bytes[8..<24])
            default: nil
            }
        }
        self.init(ip)
    }
}
