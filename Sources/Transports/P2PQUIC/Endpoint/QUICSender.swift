#if QUIC
    import CNgtcp2Shim
    import NIOCore

    #if canImport(Darwin)
        import Darwin
    #elseif canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #endif

    /// Sends datagrams on a socket, many equal ones with one call where the kernel can. Confined to the event loop.
    ///
    /// It does not send through the channel: NIO closes a datagram channel at the first destination that can't be reached,
    /// and one bad address would end every connection.
    struct QUICSender: ~Copyable {
        /// What the kernel takes in one call (UDP_MAX_SEGMENTS and the largest datagram).
        private static let maximumSegments = 64
        private static let maximumBatch = 65_000
        private static let capacity = maximumBatch + QUICSession.maximumPacket

        private let descriptor: CInt
        /// Whether the source address must be said with each datagram: the socket listens on all of them.
        private let isWildcard: Bool
        private var segments: Bool
        private let buffer: UnsafeMutablePointer<UInt8>

        private var start = 0
        private var end = 0
        private var segment = 0
        private var count = 0
        private var route = quic_route()

        /// A batch that the kernel had no room for.
        private var held: (bytes: [UInt8], segment: Int, route: quic_route)?
        private var failure: QUICErrno?
        /// The smallest packet that was larger than what an interface takes.
        private var refusedSize: Int?
        /// The descriptor is not ours any more, and may be somebody else's.
        private var isClosed = false

        init(descriptor: CInt, isWildcard: Bool, usesOffload: Bool) {
            self.descriptor = descriptor
            self.isWildcard = isWildcard
            self.segments = usesOffload && quic_socket_segments(descriptor)
            self.buffer = .allocate(capacity: Self.capacity)
        }

        deinit {
            self.buffer.deallocate()
        }

        /// Sends nothing any more.
        mutating func close() {
            self.isClosed = true
            self.held = nil
        }

        /// Whether the kernel takes nothing more now.
        var isBlocked: Bool { self.held != nil }

        /// Why a datagram could not be sent since the last time that somebody asked.
        mutating func takeFailure() -> QUICErrno? { self.failure.take() }

        /// The size of a packet that was larger than what its interface takes, since the last time that somebody asked.
        mutating func takeRefusedSize() -> Int? { self.refusedSize.take() }

        /// Where the next packet is to be written.
        mutating func room(for size: Int) -> UnsafeMutablePointer<UInt8> {
            if self.end + size > Self.capacity { self.flush() }
            return self.buffer + self.end
        }

        /// A packet of `size` bytes was written where ``room(for:)`` said.
        mutating func append(_ size: Int, to route: quic_route) {
            let isContinued = self.count > 0 && size <= self.segment && self.segments && Self.isSame(self.route, route)
            if self.count > 0, !isContinued { self.sendBatch() }
            if self.count == 0 {
                self.segment = size
                self.route = route
            }
            self.end += size
            self.count += 1
            // Only the last of a batch may be smaller.
            let isFull = self.count == Self.maximumSegments || self.end - self.start + self.segment > Self.maximumBatch
            if size < self.segment || isFull || !self.segments { self.sendBatch() }
        }

        mutating func flush() {
            self.sendBatch()
            self.start = 0
            self.end = 0
        }

        private mutating func sendBatch() {
            if self.count > 0 {
                self.transmit(self.buffer + self.start, self.end - self.start, segment: self.segment, route: self.route)
            }
            self.start = self.end
            self.count = 0
        }

        /// Sends one packet that was written elsewhere.
        mutating func send(_ packet: [UInt8], to route: quic_route) {
            packet.withUnsafeBufferPointer { bytes in
                if let base = bytes.baseAddress { self.transmit(base, bytes.count, segment: bytes.count, route: route) }
            }
        }

        /// Tries again what the kernel had no room for.
        mutating func retry() {
            guard let (bytes, segment, route) = self.held.take() else { return }
            bytes.withUnsafeBufferPointer { bytes in
                if let base = bytes.baseAddress { self.transmit(base, bytes.count, segment: segment, route: route) }
            }
        }

        private mutating func transmit(_ bytes: UnsafePointer<UInt8>, _ length: Int, segment: Int, route: quic_route) {
            // What comes behind a batch that waits counts as lost; the library sends it again.
            guard self.held == nil, !self.isClosed else { return }
            switch self.system(bytes, length, segment: segment < length ? segment : 0, route: route) {
            case 0: break
            case EMSGSIZE: self.refusedSize = min(self.refusedSize ?? .max, segment)
            case EAGAIN, ENOBUFS: self.held = (Array(UnsafeBufferPointer(start: bytes, count: length)), segment, route)
            case EIO where segment < length, EINVAL where segment < length:
                self.transmitSingly(bytes, length, segment: segment, route: route)
                // The interface can't split, nor will it tomorrow; unless the address is what it does not like, or the packets' size.
                self.segments = self.failure != nil || self.refusedSize != nil
            case let code: self.failure = QUICErrno(code: code)
            }
        }

        private mutating func transmitSingly(_ bytes: UnsafePointer<UInt8>, _ length: Int, segment: Int, route: quic_route) {
            for offset in stride(from: 0, to: length, by: max(1, segment)) {
                self.transmit(bytes + offset, min(segment, length - offset), segment: segment, route: route)
            }
        }

        private func system(_ bytes: UnsafePointer<UInt8>, _ length: Int, segment: Int, route: quic_route) -> CInt {
            withUnsafePointer(to: route.remote) { remote in
                withUnsafePointer(to: route.local) { local in
                    quic_socket_send(self.descriptor, bytes, length, segment, remote, self.isWildcard ? local : nil, route.ecn)
                }
            }
        }

        private static func isSame(_ left: quic_route, _ right: quic_route) -> Bool {
            left.ecn == right.ecn && left.remote.isEqual(to: right.remote) && left.local.isEqual(to: right.local)
        }
    }
#endif
