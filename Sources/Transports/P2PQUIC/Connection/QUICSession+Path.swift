#if QUIC
    import CNgtcp2Shim
    import Logging
    import NIOCore
    import P2PCore
    import P2PMuxing

    /// Addresses that change while a connection lives.
    extension QUICSession {
        /// The peer has moved, and answers there.
        func pathValidated(_ remote: quic_address) {
            self.validatedPaths += 1
            self.pathSize.moved()
            if self.role == .listener { self.remote = remote }
        }

        /// The address that we send from may have gone: goes on from the one that the system would choose now.
        func moveAway(at now: NIODeadline) {
            guard self.role == .dialer, self.isRunning, self.endpoint.isWildcard, let native = self.native,
                case .success(let route) = self.remote.route(), route.ip != self.local.ip
            else { return }
            let local = route.with(port: self.endpoint.address.port)
            let result = withUnsafePointer(to: local) { local in
                withUnsafePointer(to: self.remote) { quic_connection_migrate(native, local, $0, now.quicTime) }
            }
            guard result == QUIC_OK else { return }
            self.local = local
            self.pathSize.moved()
        }

        // MARK: The path's size

        /// Looks whether the path still takes what it took, before a burst is written.
        func examinePath(at now: NIODeadline) {
            guard let native = self.native else { return }
            let found = quic_connection_path_size(native)
            guard self.pathSize.isAtWork || found > QUICPathSize.base else { return }
            let probeTimeout = TimeAmount.nanoseconds(Int64(clamping: quic_connection_probe_timeout(native)))
            let before = self.pathSize.limit
            self.pathSize.examine(found: found, probeTimeout: probeTimeout, at: now)
            self.noticePathSize(before)
        }

        /// A packet was written that is larger than what every path takes.
        func sentLarge(_ size: Int, at now: NIODeadline) {
            guard let native = self.native, self.pathSize.wants(size, at: now) else { return }
            self.pathSize.sent(quic_connection_last_number(native), size: size, at: now)
            quic_connection_watch(native, true)
        }

        /// An interface has refused a packet for its size.
        func refused(_ size: Int, at now: NIODeadline) {
            let before = self.pathSize.limit
            self.pathSize.refused(size, at: now)
            self.noticePathSize(before)
        }

        /// The peer has all packets with these numbers.
        func acknowledged(_ numbers: ClosedRange<UInt64>) {
            let before = self.pathSize.limit
            self.pathSize.acknowledged(numbers)
            if let native = self.native, !self.pathSize.isWatching { quic_connection_watch(native, false) }
            self.noticePathSize(before)
        }

        private func noticePathSize(_ before: Int?) {
            guard self.pathSize.limit != before else { return }
            let size = self.pathSize.limit.map { "\($0)" } ?? "as before"
            let metadata = self.connection?.info.logMetadata ?? [:]
            self.endpoint.logger.debug("a path takes packets of another size", metadata: metadata.merging(["size": "\(size)"]) { $1 })
        }
    }
#endif
