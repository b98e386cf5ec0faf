#if CAres
    import CCAres
    import NIOCore
    import NIOPosix
    import P2PCore
    import Synchronization

    #if canImport(Darwin)
        import Darwin
    #elseif canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #endif

    /// Asks for TXT records by c-ares, each question on a thread of a small pool, which it leaves soon after nobody waits any more.
    struct TextQuery: Sendable {
        /// Questions under way at a time; further ones wait for their turn.
        private static let threadCount = 4
        /// How often a thread looks whether anybody still waits, in microseconds.
        private static let lookInterval = 100_000
        /// How long the first try waits for a server, in milliseconds; c-ares doubles it for the next.
        private static let patience: CInt = 1_000
        private static let tries: CInt = 2

        private static let threads: NIOThreadPool = {
            let threads = NIOThreadPool(numberOfThreads: Self.threadCount)
            threads.start()
            return threads
        }()
        /// c-ares wants to be told before its first use.
        private static let isReady = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS

        /// Each `address:port`; empty for the system's.
        let servers: [String]

        /// The texts of a name, the strings of each record joined.
        func texts(of domain: String, deadline: NIODeadline) async -> Result<[[UInt8]], TransportError> {
            let answer = Inbox<Result<[[UInt8]], TransportError>, Never>(limit: 1)
            let isOver = Flag()
            defer { isOver.set() }
            Self.threads.submit { state in
                guard case .active = state, !isOver.isSet else { return }
                _ = answer.offer(self.ask(for: domain) { isOver.isSet || .now() >= deadline })
            }
            if let answer = await HostClock.system.result(by: deadline, of: { await answer.next() }) ?? nil { return answer }
            return .failure(
                Task.isCancelled
                    ? TransportError(.cancelled, "the look-up of \(domain) was cancelled")
                    : TransportError(.timedOut, "no server told by the deadline what \(domain) lists"))
        }

        /// Asks, and blocks until there is an answer or nobody wants it any more.
        private func ask(for domain: String, unless isOver: () -> Bool) -> Result<[[UInt8]], TransportError> {
            var options = ares_options()
            options.timeout = Self.patience
            options.tries = Self.tries
            var channel: ares_channel?
            var status = Self.isReady ? ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) : ARES_ENOTINITIALIZED
            guard status == ARES_SUCCESS, let channel else { return .failure(Self.error(status, domain)) }
            defer { ares_destroy(channel) }
            if !self.servers.isEmpty {
                status = ares_set_servers_ports_csv(channel, self.servers.joined(separator: ","))
                guard status == ARES_SUCCESS else {
                    return .failure(
                        TransportError(.invalidConfiguration, "no list of DNS servers: \(self.servers.joined(separator: ", "))"))
                }
            }
            let reply = TextReply()
            ares_query(channel, domain, Self.internet, Self.text, TextReply.receive, Unmanaged.passUnretained(reply).toOpaque())
            while reply.status == nil {
                if isOver() { ares_cancel(channel) } else { Self.wait(for: channel) }
            }
            // Whatever is left of c-ares must not outlive what it points at.
            return withExtendedLifetime(reply) { reply.result.mapError { Self.error($0.status, domain) } }
        }

        private static let internet: CInt = 1
        private static let text: CInt = 16

        /// Waits for the sockets of a channel, but not for long, and lets c-ares have what came.
        private static func wait(for channel: ares_channel) {
            var sockets = [ares_socket_t](repeating: -1, count: Int(ARES_GETSOCK_MAXNUM))
            let bits = ares_getsock(channel, &sockets, ARES_GETSOCK_MAXNUM)
            var polled: [pollfd] = []
            for (index, socket) in sockets.enumerated() {
                let wantsRead = bits & 1 << CInt(index) != 0
                let wantsWrite = bits & 1 << CInt(index + sockets.count) != 0
                guard wantsRead || wantsWrite else { continue }
                polled.append(pollfd(fd: socket, events: CShort(wantsRead ? POLLIN : 0) | CShort(wantsWrite ? POLLOUT : 0), revents: 0))
            }
            var longest = timeval(tv_sec: 0, tv_usec: Self.lookInterval)
            var next = longest
            ares_timeout(channel, &longest, &next)
            let patience = min(Int(next.tv_sec) * 1_000_000 + Int(next.tv_usec), Self.lookInterval)
            _ = poll(&polled, nfds_t(polled.count), CInt(clamping: patience / 1_000 + 1))
            for entry in polled {
                let failed = entry.revents & CShort(POLLERR | POLLHUP | POLLNVAL) != 0
                let isReadable = entry.revents & CShort(POLLIN) != 0 || failed
                let isWritable = entry.revents & CShort(POLLOUT) != 0
                if isReadable || isWritable { ares_process_fd(channel, isReadable ? entry.fd : -1, isWritable ? entry.fd : -1) }
            }
            // Tries that have waited for long enough.
            ares_process_fd(channel, -1, -1)
        }

        private static func error(_ status: CInt, _ domain: String) -> TransportError {
            let reason = String(cString: ares_strerror(status))
            return switch status {
            case ARES_ETIMEOUT: TransportError(.timedOut, "no DNS server told what \(domain) lists: \(reason)")
            case ARES_ECANCELLED: TransportError(.timedOut, "the DNS server took too long over \(domain)")
            default: TransportError(.unresolvable, "\(domain) lists nothing: \(reason)")
            }
        }
    }

    /// Set once, by the task that waits; read by the thread that works for it.
    private final class Flag: Sendable {
        private let value = Atomic<Bool>(false)

        var isSet: Bool { self.value.load(ordering: .relaxed) }
        func set() { self.value.store(true, ordering: .relaxed) }
    }
#endif
