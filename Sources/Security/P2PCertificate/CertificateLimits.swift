import P2PCore

/// The sizes that bound a certificate, in bytes unless said otherwise.
package enum CertificateLimits {
    /// The largest certificate that is looked at. An RSA host key of 8,192 bits, full metadata and an RSA certificate key need 8,500.
    package static let maximumSize = 16_384
    /// The app metadata that a host presents in its certificate.
    package static let maximumMetadata = ConnectionInfo.maximumAppMetadata
    /// What the modulus of an RSA certificate key may measure, in bits: below is breakable, above costs the verifier too much.
    package static let rsaBits = 2_048...8_192
}
