#if QUIC
    import CNgtcp2Shim
    import NIOCore

    /// A datagram that has arrived. Its bytes stay where they are only while it is handled.
    struct QUICDatagram {
        let bytes: UnsafeRawBufferPointer
        let local: quic_address
        let remote: quic_address
        let ecn: UInt8
        /// When the burst that it came in was read.
        let now: NIODeadline
    }

    /// Whoever a connection id leads to. Confined to the event loop.
    protocol QUICReceiver: AnyObject {
        func received(_ datagram: QUICDatagram)
        /// The peer says that it knows nothing of the connection.
        func receivedReset()
    }

    extension NIODeadline {
        /// As the library counts time.
        var quicTime: UInt64 { self.uptimeNanoseconds }

        /// Nil for the end of time.
        init?(quicTime: UInt64) {
            guard quicTime < UInt64(Int64.max) else { return nil }
            self = .uptimeNanoseconds(quicTime)
        }
    }
#endif
