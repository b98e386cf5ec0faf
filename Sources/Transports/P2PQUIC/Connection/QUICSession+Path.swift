#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore

    /// Addresses that change while a connection lives.
    extension QUICSession {
        /// The peer has moved, and answers there.
        func pathValidated(_ remote: quic_address) {
            self.validatedPaths += 1
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
            if result == QUIC_OK { self.local = local }
        }
    }
#endif
