#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore
    import P2PMultiaddr

    #if canImport(Darwin)
        import Darwin
    #elseif canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #endif

    extension quic_address {
        /// Nil for what is no internet address.
        init?(_ address: SocketAddress) {
            self.init()
            let isCopied = address.withSockAddr { raw, length in quic_address_copy(&self, raw, length) }
            guard isCopied else { return nil }
        }

        init(ip: IPAddress, port: UInt16, scope: UInt32 = 0) {
            self.init()
            let bytes = ip.bytes
            _ = quic_address_set(&self, bytes, bytes.count, port, scope)
        }

        var port: UInt16 { withUnsafePointer(to: self) { quic_address_port($0) } }
        var scope: UInt32 { withUnsafePointer(to: self) { quic_address_scope($0) } }
        var isIPv6: Bool { self.ip.isIPv6 }

        var ip: IPAddress {
            var bytes: (UInt64, UInt64) = (0, 0)
            return withUnsafeMutableBytes(of: &bytes) { buffer in
                let count = withUnsafePointer(to: self) { address in
                    quic_address_ip(address, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self))
                }
                return IPAddress(bytes: buffer.prefix(count)) ?? .unspecifiedV4
            }
        }

        var multiaddr: Multiaddr { Multiaddr(ip: self.ip, quic: self.port, scope: self.scope) }

        func isEqual(to other: quic_address) -> Bool {
            withUnsafePointer(to: self) { left in withUnsafePointer(to: other) { quic_address_equal(left, $0) } }
        }

        func with(port: UInt16) -> quic_address {
            var copy = self
            quic_address_set_port(&copy, port)
            return copy
        }

        /// Where the system would send from to this address; an errno when there is no way.
        func route() -> Result<quic_address, QUICErrno> {
            var local = quic_address()
            let code = withUnsafePointer(to: self) { quic_socket_route($0, &local) }
            return code == 0 ? .success(local) : .failure(QUICErrno(code: code))
        }
    }

    extension quic_cid {
        init(_ id: QUICConnectionID) {
            self.init()
            self.length = id.count
            withUnsafeMutableBytes(of: &self.bytes) { id.copy(to: $0) }
        }
    }

    extension QUICConnectionID {
        init?(_ cid: quic_cid) {
            var cid = cid
            let count = Int(cid.length)
            guard count <= Self.maximumLength else { return nil }
            guard let id = withUnsafeBytes(of: &cid.bytes, { QUICConnectionID(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) })
            else { return nil }
            self = id
        }

        /// A new one of our own, which nobody can guess.
        static func random() -> QUICConnectionID { QUICConnectionID(local: .random(in: .min ... .max)) }
    }

    /// What a system call failed with.
    struct QUICErrno: Error, CustomStringConvertible {
        let code: CInt

        var description: String { "\(IOError(errnoCode: self.code, reason: "socket"))" }

        /// Whether it says that there is no way to the address that was sent to, rather than something about this moment.
        var isAboutDestination: Bool {
            [ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, EACCES, EDESTADDRREQ].contains(self.code)
        }
    }
#endif
